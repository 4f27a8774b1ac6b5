// Files and folders that were dropped or chosen -> requests to the service, some files at a time.

import { request, ServiceError } from "./http.js";

const MOST_FILES = 50;
const MOST_BYTES = 16 * 1024 * 1024;
// What systems and editors leave in folders, and nobody means to upload.
const HIDDEN = /^(\..*|__MACOSX|Thumbs\.db|desktop\.ini|~\$.*)$/i;

/** Every file of entries and files, with its path in the folders that were dropped; sorted, hidden ones left out. */
export async function walk(entries) {
  const found = [];
  const visit = async (entry, folder) => {
    if (entry instanceof File) {
      found.push({ file: entry, path: entry.webkitRelativePath || entry.name });
    } else if (entry.isFile) {
      found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path: folder + entry.name });
    } else {
      const reader = entry.createReader();
      // A reader gives some entries at a time, and none when it is done.
      for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) {
        for (const one of some) if (!HIDDEN.test(one.name)) await visit(one, `${folder}${entry.name}/`);
      }
    }
  };
  for (const entry of entries) await visit(entry, "");
  const shown = found.filter(({ path }) => !path.split("/").slice(1).some((part) => HIDDEN.test(part)));
  return shown.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function groups(files) {
  const all = [];
  let size = Infinity;
  for (const one of files) {
    if (size + one.file.size > MOST_BYTES || all.at(-1).length >= MOST_FILES) {
      all.push([]);
      size = 0;
    }
    all.at(-1).push(one);
    size += one.file.size;
  }
  return all;
}

/** Random bytes as hex digits; `randomUUID` is for secure pages only. */
export function newHex(n) {
  return [...crypto.getRandomValues(new Uint8Array(n))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function post(address, files) {
  const form = new FormData();
  for (const { file, path } of files) {
    form.append("path", path);
    form.append("file", file, file.name || "file");
  }
  // With its key the same request may be sent again: what arrived the first time is not taken twice.
  const options = { method: "POST", body: form, headers: { "idempotency-key": newHex(16) } };
  try {
    return await request(address, options);
  } catch (error) {
    if (!(error instanceof ServiceError) || error.status) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return request(address, options);
  }
}

/**
 * Upload files into a collection, group by group.
 * @param {string} collection its name
 * @param {string} batch what their jobs are called together
 * @param {{file: File, path: string}[]} files
 * @param {(sent: number, reply: object) => void} tell how many have been sent; what was answered last
 */
export async function send(collection, batch, files, tell) {
  const path = `/v1/vector_stores/${encodeURIComponent(collection)}/files?batch=${batch}`;
  let sent = 0;
  for (const group of groups(files)) {
    let reply;
    try {
      reply = await (await post(path, group)).json();
    } catch (error) {
      // A group that is refused does not stop the others; a service that is gone does.
      if (!(error instanceof ServiceError) || !error.status || error.status === 404) throw error;
      reply = { data: [], refused: group.map(({ path }) => ({ filename: path, error: { message: error.message } })) };
    }
    sent += group.length;
    tell(sent, reply);
  }
}
