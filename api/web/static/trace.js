// How an answer came about: its trace as a few short sections. Text only, never markup.

import { element } from "./answer.js";
import { texts } from "./strings.js";

const said = texts.trace;
const number = (value, digits = 2) => (value === null || value === undefined ? "–" : Number.isInteger(value) ? String(value) : value.toFixed(digits));
const numbers = (list, key) => [...new Set(list.map((one) => one[key]))].sort((a, b) => a - b).map((n) => `[${n}]`).join("") || said.none;

function section(title, ...nodes) {
  const box = element("section");
  box.append(element("h3", "", title), ...nodes.flat().map((node) => (typeof node === "string" ? element("p", "", node) : node)));
  return box;
}

function table(heads, rows) {
  const made = element("table");
  const line = (cells, name) => {
    const row = element("tr");
    row.append(...cells.map((cell) => element(name, "", cell)));
    return row;
  };
  made.append(line(heads, "th"), ...rows.map((row) => line(row, "td")));
  return made;
}

function searched({ rewritten, searches }) {
  const lines = rewritten ? [said.rewritten(rewritten)] : [];
  for (const one of searches) lines.push([one.question, ...one.context.map((earlier) => `« ${earlier}`)].join(" "));
  return section(said.searched, lines.length ? lines : said.none);
}

function found({ candidates, evidence }) {
  const rows = candidates.map((one) => [
    one.source ? `[${one.source}]` : "",
    one.title ? one.title + (one.page ? ` · ${texts.page(one.page)}` : "") : said.gone,
    number(one.keyword), number(one.similarity), number(one.coverage), number(one.score),
  ]);
  return section(said.found(candidates.length, evidence.n_chunks), rows.length ? table(said.columns, rows) : []);
}

function decided({ answerable, reason, signals }) {
  const told = Object.entries(signals).map(([name, value]) => `${name} ${number(value)}`).join(" · ");
  return section(said.decided, `${answerable ? said.answerable : said.unanswerable} · ${said.decisions[reason] ?? reason}`, told || []);
}

function sent({ tokens, cut, n_messages, sha256 }) {
  const lines = [
    said.tokens(n_messages, tokens.total, tokens.budget),
    said.shares(tokens),
  ];
  if (cut.dropped_sources.length) lines.push(said.droppedSources(numbers(cut.dropped_sources, "number")));
  if (cut.shortened_sources.length) lines.push(said.shortened(numbers(cut.shortened_sources, "number")));
  if (cut.dropped_turns) lines.push(said.droppedTurns(cut.dropped_turns));
  return section(said.sent, lines, element("p", "hash", `sha256 ${sha256.slice(0, 16)}…`));
}

function checked({ kept, dropped, unsupported, usage, model }, isRefused) {
  const lines = [said.kept(numbers(kept, "index"))];
  for (const one of dropped) lines.push(said.dropped(one.index, said.reasons[one.reason] ?? one.reason));
  if (unsupported.length) lines.push(said.unsupported(unsupported.length));
  if (isRefused) lines.push(said.nothingHeld);
  if (usage.total_tokens) lines.push(said.usage(model, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens));
  return section(said.checked, lines);
}

function times(timings) {
  const rows = Object.entries(said.steps).filter(([step]) => step in timings);
  return section(said.times, table([said.step, "ms"], rows.map(([step, name]) => [name, timings[step].toFixed(1)])));
}

/** The sections of a trace, as far as the answer got. */
export function traceSections(trace) {
  const parts = [];
  if (trace.error) parts.push(section(said.failed, `${trace.error.code} (${said.steps[trace.error.step] ?? trace.error.step})`));
  if (trace.plan) parts.push(searched(trace.plan));
  if (trace.retrieval) parts.push(found(trace.retrieval));
  if (trace.refusal) parts.push(decided(trace.refusal));
  if (trace.prompt) parts.push(sent(trace.prompt));
  if (trace.answer) parts.push(checked(trace.answer, trace.prompt && trace.mode === "refused"));
  parts.push(times(trace.timings_ms));
  const box = element("div", "trace");
  box.append(...parts);
  return box;
}
