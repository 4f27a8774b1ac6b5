// A document's parsed text with the quote marked: the panel beside the answer, and the page of its own.

import { element, visible } from "./answer.js";
import { getJson } from "./http.js";
import { localUrl, texts } from "./strings.js";

const CONTEXT = 1200;
const MOST_CONTEXT = 20000;

/** Return the address of the parsed text around a citation. */
function textUrl(cited, context) {
  const query = new URLSearchParams({ start: cited.start, end: cited.end, context });
  if (cited.chunk_id) query.set("chunk", cited.chunk_id);
  return `/v1/documents/${encodeURIComponent(cited.document_id)}/text?${query}`;
}

/** Return the address of the source page of a citation. */
export function pageUrl(cited) {
  const query = new URLSearchParams({ start: cited.start, end: cited.end });
  if (cited.chunk_id) query.set("chunk", cited.chunk_id);
  return localUrl(`/documents/${encodeURIComponent(cited.document_id)}?${query}`);
}

function facts(source, cited, alone) {
  const box = [];
  const heading = (source.heading.length ? source.heading : (cited.heading ?? [])).filter((part) => part !== source.title);
  if (heading.length) box.push(element("p", "path", [source.title, ...heading].join(" › ")));
  if (source.page) box.push(element("p", "page", texts.pageOf(source.page, source.n_pages)));
  const links = element("p", "links");
  const original = element("a", "", texts.original);
  original.href = `/v1/files/${encodeURIComponent(source.document_id)}/content${source.page ? `#page=${source.page}` : ""}`;
  original.target = "_blank";
  original.rel = "noopener";
  links.append(original);
  if (!alone) {
    const page = element("a", "", texts.newTab);
    page.href = pageUrl(cited);
    page.target = "_blank";
    page.rel = "noopener";
    links.append(page);
  }
  box.push(links);
  if (source.current === false) box.push(element("p", "note", texts.changed));
  return box;
}

/** A table with its columns; a quote from it is marked cell by cell. */
function tableOf(table) {
  const made = element("table");
  const names = element("tr");
  for (const name of table.columns) names.append(element("th", "", name));
  if (table.names_quoted) for (const cell of names.children) cell.replaceChildren(element("mark", "", cell.textContent));
  made.append(names);
  for (const row of table.rows) {
    const line = element("tr");
    for (const pieces of row) {
      const cell = element("td");
      cell.append(...pieces.map((piece) => (piece.quoted ? element("mark", "", piece.text) : visible(piece.text))));
      line.append(cell);
    }
    made.append(line);
  }
  return made;
}

function marked(source) {
  const text = element("div", "text");
  text.lang = "";
  let page = null;
  let shown = null;
  for (const segment of source.segments) {
    if (segment.page !== page) {
      page = segment.page;
      text.append(element("span", "page-mark", texts.page(page)));
    }
    if (segment.table === null) text.append(segment.quoted ? element("mark", "", segment.text) : visible(segment.text));
    else if (segment.table !== shown) text.append(tableOf(source.tables[segment.table]));
    shown = segment.table;
  }
  return text;
}

/**
 * Load and show the source of a citation.
 * @param {{title: Element, facts: Element, body: Element}} target
 * @param {object} cited document_id, start, end, and chunk_id, heading where known
 * @param {{alone?: boolean, context?: number}} options alone: on a page of its own
 */
export async function showSource(target, cited, { alone = false, context = CONTEXT } = {}) {
  const source = await getJson(textUrl(cited, context));
  if (target.current && target.current !== cited) return; // another one was clicked meanwhile
  target.title.textContent = visible(source.title);
  if (alone) document.title = `${visible(source.title)} · ${texts.brand}`;
  const text = marked(source);
  const parts = [text];
  if ((source.start > 0 || source.end < source.n_chars) && context < MOST_CONTEXT) {
    const more = element("button", "quiet more", texts.more);
    more.type = "button";
    more.addEventListener("click", () => showSource(target, cited, { alone, context: Math.min(context * 4, MOST_CONTEXT) }));
    parts.push(more);
  }
  target.facts.replaceChildren(...facts(source, cited, alone));
  target.body.replaceChildren(...parts);
  text.querySelector("mark")?.scrollIntoView({ block: "center" });
}
