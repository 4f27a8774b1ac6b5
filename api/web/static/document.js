// The source page: one document at one quote, from its address alone.

import { element } from "./answer.js";
import { showSource } from "./source.js";
import { texts, translatePage } from "./strings.js";

translatePage();
const query = new URLSearchParams(location.search);
const [title, facts, body] = ["source-title", "source-facts", "source-body"].map((id) => document.getElementById(id));
const target = { title, facts, body };
const cited = {
  document_id: decodeURIComponent(location.pathname.slice("/documents/".length)),
  start: Number(query.get("start")) || 0,
  end: Number(query.get("end")) || 0,
  chunk_id: query.get("chunk"),
};
target.body.replaceChildren(element("p", "muted", texts.loading));
showSource(target, cited, { alone: true }).catch((error) => {
  const problem = element("p", "problem", error.message);
  problem.setAttribute("role", "alert");
  target.body.replaceChildren(problem);
});
