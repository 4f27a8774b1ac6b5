// An answer's text -> nodes: paragraphs, lists, bold, code, citation chips. Text only, never markup.

import { texts } from "./strings.js";

const INLINE = /\*\*([^*\n]+)\*\*|`([^`\n]+)`|\[(\d{1,3})\]/g;
const BULLET = /^\s*[-*•]\s+/;
const NUMBER = /^\s*(\d{1,3})[.、)]\s*(?!\d)/;
const HEADING = /^#{1,6}\s+/;

// What turns the direction of the text behind it, or has no shape at all but a control's: a name may hide its end so.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Other people's text with a mark for each control character; it stays as long as it is. */
export function visible(text) {
  return String(text ?? "").replace(CONTROLS, "\ufffd");
}

export function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = visible(text);
  return node;
}

/** A citation's number as a button; disabled until the answer's citations are known. */
function chip(number, citation, open) {
  const button = element("button", "chip", String(number));
  button.type = "button";
  button.disabled = !citation;
  if (citation) {
    button.setAttribute("aria-label", texts.cite(number, visible(citation.title)));
    button.title = visible(citation.quote);
    button.addEventListener("click", () => open(citation, button));
  }
  return button;
}

/** The citation that a marker stands for: a number may cite several quotes of one source, the first marker the first. */
function following(citations, number) {
  const group = citations?.get(number);
  return group && (group.length > 1 ? group.shift() : group[0]);
}

/** Text as nodes, its spans as elements of their class; what is only drafted is not read aloud. */
function cut(text, at, spans) {
  const nodes = [];
  let from = 0;
  for (const { start, end, kind } of spans) {
    const first = Math.max(start - at, from);
    const last = Math.min(end - at, text.length);
    if (first >= last) continue;
    const node = element("span", kind, text.slice(first, last));
    if (kind === "draft") node.setAttribute("aria-hidden", "true");
    else node.title = texts.unsupported;
    nodes.push(text.slice(from, first), node);
    from = last;
  }
  nodes.push(text.slice(from));
  return nodes;
}

/** A line as nodes; `at` is where it begins in the answer. */
function inline(line, at, shown) {
  const { citations, open, spans } = shown;
  const nodes = [];
  let last = 0;
  for (const match of line.matchAll(INLINE)) {
    nodes.push(...cut(line.slice(last, match.index), at + last, spans));
    last = match.index + match[0].length;
    if (match[1] !== undefined) {
      const bold = element("strong");
      bold.append(...inline(match[1], at + match.index + 2, shown));
      nodes.push(bold);
    } else if (match[2] !== undefined) {
      const code = element("code");
      code.append(...cut(match[2], at + match.index + 1, spans));
      nodes.push(code);
    } else {
      const number = Number(match[3]);
      const citation = following(citations, number);
      // A number in brackets that cites nothing is plain text.
      nodes.push(citations && !citation ? match[0] : chip(number, citation, open));
    }
  }
  nodes.push(...cut(line.slice(last), at + last, spans));
  return nodes;
}

/**
 * Show an answer's text.
 * @param {Element} target its content is replaced
 * @param {string} text
 * @param {object[]|null} cited null while the text still arrives
 * @param {(citation: object, opener: Element) => void} open called when a chip is clicked
 * @param {{start: number, end: number, kind: string}[]} spans parts of the text with a class of their own, ascending
 */
export function renderAnswer(target, text, cited, open, spans = []) {
  const citations = cited && groups(cited);
  const shown = { citations, open, spans };
  // A marker that has arrived in part is not shown yet.
  const safe = visible(text);
  const lines = (citations ? safe : safe.replace(/\[\d{0,3}$/, "")).split("\n");
  const blocks = [];
  let list = null;
  let paragraph = null;
  let next = 0;
  for (const line of lines) {
    const at = next;
    next += line.length + 1;
    const nodes = (prefix) => {
      const rest = prefix ? line.replace(prefix, "") : line;
      return inline(rest, at + line.length - rest.length, shown);
    };
    const kind = BULLET.test(line) ? "ul" : NUMBER.test(line) ? "ol" : "";
    if (kind) {
      if (list?.localName !== kind) {
        list = element(kind);
        if (kind === "ol") list.start = Number(NUMBER.exec(line)[1]);
        blocks.push(list);
      }
      const item = element("li");
      item.append(...nodes(kind === "ul" ? BULLET : NUMBER));
      list.append(item);
      paragraph = null;
      continue;
    }
    if (!line.trim()) {
      paragraph = null;
      continue;
    }
    list = null;
    if (HEADING.test(line)) {
      const heading = element("p", "heading");
      heading.append(...nodes(HEADING));
      blocks.push(heading);
      paragraph = null;
      continue;
    }
    if (paragraph) paragraph.append(element("br"));
    else blocks.push((paragraph = element("p")));
    paragraph.append(...nodes());
  }
  target.replaceChildren(...blocks);
}

/** Citations by number, those of one number in order. */
function groups(cited) {
  const found = new Map();
  for (const one of cited) found.set(one.index, [...(found.get(one.index) ?? []), one]);
  return found;
}

/** Where a citation stands: title > heading, page. */
export function place(citation) {
  const path = [citation.title, ...citation.heading.filter((part) => part !== citation.title)].join(" › ");
  return citation.page ? `${path} · ${texts.page(citation.page)}` : path;
}

/** The list of an answer's citations. */
export function sourceList(citations, open) {
  const section = element("section", "sources");
  section.append(element("h3", "", texts.sources));
  const list = element("ol");
  for (const [number, group] of groups(citations)) {
    const item = element("li");
    item.append(element("span", "number", String(number)));
    let shown = "";
    for (const citation of group) {
      if (place(citation) !== shown) item.append(element("span", "place", (shown = place(citation))));
      const button = element("button", "quote", citation.quote);
      button.type = "button";
      button.addEventListener("click", () => open(citation, button));
      item.append(button);
    }
    list.append(item);
  }
  section.append(list);
  return section;
}
