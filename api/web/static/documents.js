// The documents of a collection: what is there, what is on its way, and files dropped to join them.

import { element, visible } from "./answer.js";
import { events, getJson, request, ServiceError } from "./http.js";
import { localUrl, texts } from "./strings.js";
import { newHex, send, walk } from "./upload.js";

const words = texts.files;
const byId = (id) => document.getElementById(id);
const PAGE = 50;
const MOST_ROWS = 40; // of jobs: of ten thousand nobody reads more, and the page stays quick
const MOST_STREAMS = 3; // browsers open six connections to a host
const RANK = { failed: 0, running: 1, queued: 2, cancelled: 3, completed: 4 };

/**
 * The panel of a collection's documents.
 * @param {{collection: () => string, changed: () => Promise<void>, show: () => void}} page
 *   collection: the chosen one's name, empty while there is none; changed: when documents came or went; show: the panel
 */
export function documentsPanel(page) {
  const [panel, list, jobList, summary, note, more, problem] = [
    "files", "file-list", "job-list", "job-summary", "file-note", "file-more", "file-problem",
  ].map(byId);
  let jobs = new Map(); // jobs by id, of the collection that is shown
  let rows = new Map(); // their list items
  let shown = null; // the collection that is shown
  let after = null; // the id that the last page of documents ended with
  const following = new Set();
  let refused = [];
  let drawing = false;

  const isShown = (name) => shown === name && !panel.hidden;
  const address = (name, rest = "") => `/v1/vector_stores/${encodeURIComponent(name)}/files${rest}`;
  const say = (text) => (note.textContent = text);
  const complain = (error) => {
    if (!(error instanceof ServiceError)) console.error(error);
    problem.textContent = error instanceof ServiceError ? error.message : texts.brokenOff;
    problem.hidden = false;
  };

  async function open() {
    page.show();
    const name = page.collection();
    byId("files-title").textContent = words.titleOf(visible(name || "default"));
    if (shown !== name) {
      jobs = new Map();
      rows = new Map();
      refused = [];
      jobList.replaceChildren();
      say("");
    }
    shown = name;
    problem.hidden = true;
    draw();
    if (!name) return list.replaceChildren(element("li", "muted", words.none));
    await Promise.all([loadDocuments(name), loadJobs(name)]).catch(complain);
  }

  // ---- documents

  async function loadDocuments(name, from = null) {
    const page = await getJson(address(name, `?limit=${PAGE}${from ? `&after=${encodeURIComponent(from)}` : ""}`));
    if (!isShown(name)) return;
    const items = page.data.map((file) => documentRow(name, file));
    if (from) list.append(...items);
    else list.replaceChildren(...(items.length ? items : [element("li", "muted", words.none)]));
    after = page.has_more ? page.last_id : null;
    more.hidden = !after;
  }

  function documentRow(name, file) {
    const item = element("li", "file");
    const state = stateOf(file);
    const title = element(file.document_id ? "a" : "span", "name", file.filename);
    if (file.document_id) {
      title.href = localUrl(`/documents/${encodeURIComponent(file.document_id)}`);
      title.target = "_blank";
      title.rel = "noopener";
    }
    const facts = [words.states[state], file.pages && words.pages(file.pages), file.chunks && words.chunks(file.chunks), words.size(file.bytes)];
    const about = element("p", `state ${state}`, facts.filter(Boolean).join(" · "));
    item.append(title, about);
    if (file.last_error) item.append(element("p", "reason", file.last_error.message));
    const remove = button("quiet", words.remove, () => askToDelete(name, file, item), words.removeOf(visible(file.filename)));
    item.append(remove);
    return item;
  }

  function stateOf(file) {
    if (file.needs_ocr) return file.status === "completed" ? "partly" : "needs_ocr";
    return file.status;
  }

  function askToDelete(name, file, item) {
    const dialog = byId("delete-dialog");
    byId("delete-text").textContent = words.removeText(visible(file.filename));
    dialog.returnValue = "";
    dialog.showModal();
    dialog.onclose = async () => {
      if (dialog.returnValue !== "delete") return;
      try {
        await request(address(name, `/${encodeURIComponent(file.id)}`), { method: "DELETE" });
        const next = item.nextElementSibling ?? item.previousElementSibling;
        item.remove();
        if (jobs.delete(file.job_id)) draw();
        say(words.removed(visible(file.filename)));
        (next?.querySelector("button") ?? panel).focus();
        await page.changed();
        if (!list.childElementCount) await loadDocuments(name);
      } catch (error) {
        complain(error);
      }
    };
  }

  let reloading = null;
  function documentsChanged() {
    // Many jobs may end in a second.
    reloading ??= setTimeout(async () => {
      reloading = null;
      await Promise.all([page.changed(), shown && !panel.hidden ? loadDocuments(shown) : null]).catch(complain);
    }, 400);
  }

  // ---- jobs

  async function loadJobs(name) {
    const query = new URLSearchParams({ collection: name, limit: 200 });
    for (const state of ["queued", "running", "failed"]) query.append("state", state);
    const { data } = await getJson(`/v1/jobs?${query}`);
    if (shown !== name) return;
    for (const job of data) take(job);
    for (const batch of new Set(data.filter(isOpen).map((job) => job.batch_id))) follow(batch, name);
  }

  const isOpen = (job) => job.state === "queued" || job.state === "running";

  function take(job) {
    const before = jobs.get(job.id);
    jobs.delete(job.id);
    jobs.set(job.id, job);
    if (before && isOpen(before) && !isOpen(job)) documentsChanged();
    draw();
  }

  /** Follow the jobs of a request until all have ended; after a stream that broke off, once more. */
  async function follow(batch, name) {
    if (!batch || following.has(batch) || following.size >= MOST_STREAMS) return;
    following.add(batch);
    try {
      const reply = await request(`/v1/jobs/events?batch=${encodeURIComponent(batch)}`);
      for await (const job of events(reply)) if (shown === name) take(job);
    } catch (error) {
      complain(error);
    } finally {
      following.delete(batch);
    }
    const waiting = [...jobs.values()].find((job) => isOpen(job) && !following.has(job.batch_id));
    if (waiting && shown === name) setTimeout(() => follow(waiting.batch_id, name), 1000);
  }

  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      const all = [...jobs.values()].sort((a, b) => RANK[a.state] - RANK[b.state]);
      const count = (state) => all.filter((job) => job.state === state).length;
      const open = count("queued") + count("running");
      byId("jobs").hidden = !all.length && !refused.length;
      const text = words.summary(all.length + refused.length, count("completed"), open, count("failed") + refused.length);
      if (summary.textContent !== text) summary.textContent = text;
      const some = all.slice(0, MOST_ROWS);
      const items = some.map((job) => jobRow(job));
      for (const id of rows.keys()) if (!some.some((job) => job.id === id)) rows.delete(id);
      const others = refused.map(({ filename, error }) => refusedRow(filename, error.message));
      if (all.length > MOST_ROWS) others.push(element("li", "muted", words.others(all.length - MOST_ROWS)));
      place(jobList, [...items, ...others]);
    });
  }

  /** Put items in order without touching those that are in place: whoever has the focus keeps it. */
  function place(parent, items) {
    items.forEach((item, n) => {
      if (parent.children[n] !== item) parent.insertBefore(item, parent.children[n] ?? null);
    });
    while (parent.children.length > items.length) parent.lastChild.remove();
  }

  function jobRow(job) {
    const known = rows.get(job.id);
    if (known?.job === job) return known.item;
    const item = known?.item ?? element("li", "file");
    const same = known && ["state", "cancelling"].every((name) => known.job[name] === job[name]) && known.job.error?.message === job.error?.message;
    if (same) {
      item.querySelector(".state").textContent = progressText(job);
      showBar(item.querySelector("progress"), job);
    } else {
      const parts = [element("span", "name", job.source), element("p", `state ${job.state}`, progressText(job))];
      if (job.state === "running") {
        const bar = element("progress", "");
        bar.setAttribute("aria-label", visible(job.source));
        showBar(bar, job);
        parts.push(bar);
      }
      if (job.error && !(job.state === "completed")) parts.push(element("p", "reason", reasonOf(job.error)));
      if (isOpen(job) && !job.cancelling) parts.push(button("quiet", texts.cancel, () => act(job, "cancel"), words.cancelOf(visible(job.source))));
      if (job.state === "failed") parts.push(button("quiet", words.retry, () => act(job, "retry"), words.retryOf(visible(job.source))));
      item.replaceChildren(...parts);
    }
    rows.set(job.id, { job, item });
    return item;
  }

  function refusedRow(name, reason) {
    const item = element("li", "file");
    item.append(element("span", "name", name), element("p", "state failed", words.states.failed), element("p", "reason", reason));
    return item;
  }

  const reasonOf = (error) => [error.message, error.hint].filter(Boolean).join(" ");

  function progressText(job) {
    if (job.cancelling) return words.cancelling;
    if (job.next_attempt_at && job.error) return words.nextAttempt(new Date(job.next_attempt_at * 1000));
    if (job.state !== "running") return job.error?.code === "needs_ocr" ? words.states.needs_ocr : words.jobStates[job.state];
    const { chunks, embedded, indexed } = job.counts;
    const done = job.stage === "embed" ? embedded : job.stage === "index" ? indexed : null;
    return words.stages[job.stage] + (chunks === null ? "" : ` ${words.ofChunks(done, chunks)}`);
  }

  function showBar(bar, job) {
    if (!bar) return;
    const { chunks, embedded, indexed } = job.counts;
    const done = (embedded ?? 0) + (indexed ?? 0);
    if (!chunks || !done) return bar.removeAttribute("value");
    bar.max = (embedded === null ? 1 : 2) * chunks;
    bar.value = Math.min(done, bar.max);
  }

  async function act(job, what) {
    try {
      const name = shown;
      take(await getJson(`/v1/jobs/${encodeURIComponent(job.id)}/${what}`, { method: "POST" }));
      if (what === "retry") follow(job.batch_id, name);
      documentsChanged();
    } catch (error) {
      complain(error);
    }
  }

  // ---- uploads

  /** Take in what was dropped or chosen: files, or the file system's entries of a drop. */
  async function add(entries) {
    let name = page.collection();
    if (!name) {
      // A service that is asked for its first collection.
      name = "default";
      const body = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name }) };
      await request("/v1/vector_stores", body).catch(complain);
      await page.changed();
    }
    await open();
    say(words.reading);
    const files = await walk(entries).catch((error) => (complain(error), []));
    if (!files.length) return say(words.nothing);
    const batch = `batch_${newHex(12)}`;
    say(words.sending(0, files.length));
    try {
      await send(name, batch, files, (sent, reply) => {
        say(sent < files.length ? words.sending(sent, files.length) : words.sent(files.length));
        if (shown !== name) return;
        refused = [...refused, ...reply.refused];
        draw();
        if (reply.data.length) follow(batch, name);
      });
      if (shown === name) await Promise.all([loadDocuments(name), loadJobs(name)]);
    } catch (error) {
      say("");
      complain(error);
    }
  }

  function button(kind, text, act, label) {
    const node = element("button", kind, text);
    node.type = "button";
    if (label) node.setAttribute("aria-label", label);
    node.addEventListener("click", act);
    return node;
  }

  for (const [opener, input] of [["choose-files", "file-input"], ["choose-folder", "folder-input"]]) {
    byId(opener).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", () => {
      const files = [...byId(input).files];
      byId(input).value = "";
      if (files.length) add(files);
    });
  }
  more.addEventListener("click", () => loadDocuments(shown, after).catch(complain));
  return { open, add };
}
