// Requests to the service: API keys asked for when needed, errors as texts, event streams.

import { texts } from "./strings.js";

/** An error whose message is meant for the reader; `status` is HTTP's, none where the service could not be reached. */
export class ServiceError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Fetch; a 401 asks the reader for a key, once more for each wrong one, and tries again. */
export async function request(path, options = {}) {
  for (let problem = ""; ; ) {
    const reply = await fetch(path, { credentials: "same-origin", ...options }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new ServiceError(texts.offline);
    });
    if (reply.ok) return reply;
    const message = await errorText(reply);
    if (reply.status !== 401) throw new ServiceError(message, reply.status);
    await askForKey(problem);
    problem = message;
  }
}

export async function getJson(path, options) {
  return (await request(path, options)).json();
}

async function errorText(reply) {
  try {
    return (await reply.json()).error.message;
  } catch {
    return `HTTP ${reply.status}`;
  }
}

let asking = null;

// Several requests may fail at once; one dialog serves them all.
function askForKey(problem) {
  asking ??= exchangeKey(problem).finally(() => (asking = null));
  return asking;
}

function exchangeKey(firstProblem) {
  const dialog = document.getElementById("key-dialog");
  const form = document.getElementById("key-form");
  const field = document.getElementById("key");
  const problem = document.getElementById("key-problem");
  const show = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  show(firstProblem);
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      field.value = "";
      form.onsubmit = dialog.oncancel = document.getElementById("key-cancel").onclick = null;
      if (dialog.open) dialog.close();
      settle(value);
    };
    const give_up = () => end(reject, new ServiceError(texts.keyMissing));
    form.onsubmit = async (event) => {
      event.preventDefault();
      const reply = await fetch("/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ key: field.value }),
      }).catch(() => null);
      if (reply?.ok) return end(resolve);
      field.value = "";
      show(reply ? await errorText(reply) : texts.offline);
      field.focus();
    };
    dialog.oncancel = give_up;
    document.getElementById("key-cancel").onclick = give_up;
  });
}

/** Yield the parsed data of each server-sent event until `[DONE]`; an `error` is thrown, but not one that a job tells. */
export async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trimStart();
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error && event.object !== "job") throw new ServiceError(event.error.message);
        yield event;
      }
    }
  } catch (error) {
    if (error instanceof TypeError) throw new ServiceError(texts.brokenOff);
    throw error;
  } finally {
    reader.cancel().catch(() => {});
  }
}
