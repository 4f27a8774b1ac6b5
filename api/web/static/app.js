// The question page.

import { element, renderAnswer, sourceList, visible } from "./answer.js";
import { events, getJson, request, ServiceError } from "./http.js";
import { showSource } from "./source.js";
import { texts, translatePage } from "./strings.js";
import { traceSections } from "./trace.js";

translatePage();

const byId = (id) => document.getElementById(id);
const [log, question, send, stop, status, picker, panel] = [
  "log", "question", "send", "stop", "status", "collection", "source",
].map(byId);

let history = []; // finished turns of this conversation, as the API takes them
let running = null; // AbortController of the answer that is being written
let conversation = 0; // grows with each new conversation; a late answer to an old one is not recorded
let opener = null; // what the source panel was opened from

// ---- collections

async function loadCollections(wanted = new URLSearchParams(location.search).get("collection") ?? picker.value) {
  const { data } = await getJson("/v1/vector_stores?limit=100&order=asc");
  picker.replaceChildren(
    ...data.map((one) => {
      const option = element("option", "", `${one.name} (${texts.documents(one.n_documents)})`);
      option.value = one.name;
      option.dataset.documents = one.n_documents;
      return option;
    }),
  );
  const names = data.map((one) => one.name);
  const filled = data.filter((one) => one.n_documents > 0).map((one) => one.name);
  const choice = [[wanted, names], ["default", filled], [filled[0], filled], [names[0], names]].find(([name, among]) => among.includes(name));
  if (choice) picker.value = choice[0];
  byId("picker").hidden = names.length === 0;
  showWelcome();
}

function showWelcome() {
  const isEmpty = !Number(picker.selectedOptions[0]?.dataset.documents);
  const fresh = log.childElementCount === 0;
  byId("empty").hidden = !fresh || !isEmpty;
  byId("welcome").hidden = !fresh || isEmpty;
  byId("restart").hidden = fresh;
  const name = picker.value;
  byId("empty-command").textContent = name && name !== "default" ? `huozi ingest ~/docs -c ${name}` : "huozi ingest ~/docs";
  if (fresh && !isEmpty) loadExamples(name);
}

async function loadExamples(name) {
  const target = byId("examples");
  target.replaceChildren();
  const { data } = await getJson(`/v1/vector_stores/${encodeURIComponent(name)}/examples`).catch(() => ({ data: [] }));
  if (name !== picker.value || !data.length) return;
  target.replaceChildren(
    element("span", "muted", texts.tryAsking),
    ...data.map((text) => {
      const button = element("button", "example", text);
      button.type = "button";
      button.addEventListener("click", () => ask(text));
      return button;
    }),
  );
}

function restart() {
  running?.abort();
  conversation += 1;
  history = [];
  log.replaceChildren();
  closeSource();
  showWelcome();
  question.focus();
}

// ---- one turn

function addTurn(text) {
  const turn = element("article", "turn");
  const asked = element("div", "asked");
  asked.append(element("span", "hidden", `${texts.you}: `), element("p", "", text));
  const answer = element("div", "answer");
  answer.setAttribute("aria-busy", "true");
  const body = element("div", "body");
  body.append(element("p", "waiting", texts.searching));
  answer.append(body);
  turn.append(asked, answer);
  log.append(turn);
  return { answer, body };
}

async function ask(text) {
  const asked = text.trim();
  if (!asked || running) return;
  byId("welcome").hidden = byId("empty").hidden = true;
  byId("restart").hidden = false;
  const mine = conversation;
  const { answer, body } = addTurn(asked);
  const controller = (running = new AbortController());
  setBusy(true);
  scrollDown(true);
  const written = { text: "", draft: "", finished: false };
  try {
    const last = await stream(asked, controller.signal, written, () => {
      if (status.textContent !== texts.writing) status.textContent = texts.writing;
      paint(body, written);
    });
    written.finished = true;
    finishAnswer(answer, body, written.text, last);
    status.textContent = last.refused ? texts.refused : texts.finished;
  } catch (error) {
    written.finished = true;
    renderAnswer(body, written.text, [], openSource);
    const stopped = error.name === "AbortError";
    const note = element("p", stopped ? "label" : "problem", stopped ? texts.stopped : messageOf(error));
    if (!stopped) note.setAttribute("role", "alert");
    answer.append(note);
    status.textContent = stopped ? texts.stopped : "";
  }
  answer.removeAttribute("aria-busy");
  const content = written.text;
  if (content && mine === conversation) history.push({ role: "user", content: asked }, { role: "assistant", content });
  if (running === controller) {
    running = null;
    setBusy(false);
  }
  scrollDown();
}

function messageOf(error) {
  if (error instanceof ServiceError) return error.message;
  console.error(error);
  return texts.brokenOff;
}

/** Send the question; fills in what is written, settled or still a draft, returns the last chunk with choices. */
async function stream(text, signal, written, onMore) {
  const reply = await request("/v1/chat/completions", {
    method: "POST",
    signal,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: picker.value ? `huozi-rag/${picker.value}` : "huozi-rag",
      stream: true,
      stream_options: { include_drafts: true },
      messages: [...history, { role: "user", content: text }],
    }),
  });
  let last = null;
  for await (const chunk of events(reply)) {
    const choice = chunk.choices[0];
    const settled = choice?.delta.content;
    const before = written.draft;
    written.text += settled ?? "";
    // Settled text takes the place of all drafts before it, also where it is empty: that sentence was dropped.
    written.draft = settled === undefined ? before + (chunk.draft ?? "") : "";
    if (settled || written.draft !== before) onMore();
    if (choice?.finish_reason) last = chunk;
  }
  if (!last) throw new ServiceError(texts.brokenOff);
  return last;
}

let painting = false;

// Numbers are shown once they are checked.
const MARKERS = /[[【［][\s\d,，、]*(?:[\]】］]|$)/g;

/** Show the text so far, once a frame; what may still change is dimmed. */
function paint(body, written) {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    if (written.finished) return;
    const start = written.text.length;
    const text = written.text + written.draft.replace(MARKERS, "");
    if (text.trim()) renderAnswer(body, text, null, openSource, [{ start, end: text.length, kind: "draft" }]);
    else body.replaceChildren(element("p", "waiting", texts.writing));
    scrollDown();
  });
}

function finishAnswer(answer, body, text, last) {
  const citations = last.citations ?? [];
  renderAnswer(body, text, citations, openSource, unsupported(text, last.unsupported ?? []));
  if (last.refused) {
    answer.classList.add("refused");
    answer.prepend(element("p", "label", texts.refused));
  } else if (last.mode === "extractive") {
    answer.prepend(element("p", "label", texts.extractive));
  }
  if (citations.length) answer.append(sourceList(citations, openSource));
  const how = element("button", "how", texts.how);
  how.type = "button";
  how.addEventListener("click", () => openTrace(last.id, how));
  answer.append(how);
}

/** Spans of sentences that no source supports: the service counts characters, scripts count halves of some. */
function unsupported(text, spans) {
  const characters = [...text];
  const place = (n) => characters.slice(0, n).join("").length;
  return spans.map(({ start, end }) => ({ start: place(start), end: place(end), kind: "unsupported" }));
}

function setBusy(busy) {
  send.hidden = busy;
  stop.hidden = !busy;
  status.textContent = busy ? texts.searching : status.textContent;
  if (!busy && !panel.contains(document.activeElement)) question.focus({ preventScroll: true });
}

function scrollDown(always = false) {
  const page = document.scrollingElement;
  if (always || page.scrollHeight - page.scrollTop - page.clientHeight < 160) page.scrollTop = page.scrollHeight;
}

// ---- the source panel

const target = { title: byId("source-title"), facts: byId("source-facts"), body: byId("source-body"), current: null };

function openSource(citation, from) {
  return openPanel(citation, citation.title, from, () => showSource(target, citation));
}

function openTrace(id, from) {
  const asked = { id };
  return openPanel(asked, texts.how, from, async () => {
    const trace = await getJson(`/v1/answers/${encodeURIComponent(id)}`);
    if (target.current === asked) target.body.replaceChildren(traceSections(trace));
  });
}

async function openPanel(current, title, from, load) {
  closeFiles();
  opener = from;
  target.current = current;
  target.title.textContent = visible(title);
  target.facts.replaceChildren();
  target.body.replaceChildren(element("p", "muted", texts.loading));
  panel.hidden = false;
  document.body.classList.add("with-source");
  panel.focus({ preventScroll: true });
  try {
    await load();
  } catch (error) {
    if (target.current !== current) return;
    const problem = element("p", "problem", messageOf(error));
    problem.setAttribute("role", "alert");
    target.body.replaceChildren(problem);
  }
}

function closeSource() {
  if (panel.hidden) return;
  panel.hidden = true;
  target.current = null;
  document.body.classList.remove("with-source");
  opener?.focus({ preventScroll: true });
}

// ---- the documents panel; its scripts are loaded when somebody asks for it

const filesPanel = byId("files");
let loading = null;

function documents() {
  loading ??= import("./documents.js").then(({ documentsPanel }) =>
    documentsPanel({ collection: () => picker.value, changed: () => loadCollections(picker.value), show: showFiles }),
  );
  return loading;
}

function showFiles() {
  closeSource();
  filesPanel.hidden = false;
  document.body.classList.add("with-source");
  filesPanel.focus({ preventScroll: true });
}

function closeFiles() {
  if (filesPanel.hidden) return;
  filesPanel.hidden = true;
  document.body.classList.remove("with-source");
  byId("manage").focus({ preventScroll: true });
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");

document.addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  byId("drop").hidden = false;
  documents();
});
document.addEventListener("dragover", (event) => {
  if (holdsFiles(event)) event.preventDefault();
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) byId("drop").hidden = true;
});
document.addEventListener("drop", async (event) => {
  byId("drop").hidden = true;
  if (!holdsFiles(event)) return;
  event.preventDefault();
  // Taken at once: a drop is empty as soon as its event is over.
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  (await documents()).add(entries);
});
byId("manage").addEventListener("click", async () => (await documents()).open());
byId("files-close").addEventListener("click", closeFiles);
byId("empty-choose").addEventListener("click", async () => {
  await documents();
  byId("file-input").click();
});

// ---- the form

function submit() {
  if (running || !question.value.trim()) return;
  const text = question.value;
  question.value = "";
  fit();
  ask(text);
}

// The box grows with its text; CSS limits it.
function fit() {
  question.rows = Math.min(8, question.value.split("\n").length);
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
question.addEventListener("keydown", (event) => {
  // Enter that ends an input method's composition must not send; 229 is how older browsers say it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  submit();
});
question.addEventListener("input", fit);
stop.addEventListener("click", () => running?.abort());
picker.addEventListener("change", () => {
  closeFiles();
  restart();
});
byId("restart").addEventListener("click", restart);
byId("source-close").addEventListener("click", closeSource);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  closeSource();
  closeFiles();
});

byId("model-note").hidden = document.documentElement.dataset.model === "yes";
loadCollections()
  .catch((error) => {
    const problem = element("p", "problem", messageOf(error));
    problem.setAttribute("role", "alert");
    log.append(problem);
  })
  .finally(() => {
    // Whoever has gone elsewhere meanwhile stays there.
    if (document.activeElement === document.body) question.focus();
  });
