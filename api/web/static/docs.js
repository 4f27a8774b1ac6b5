// The API reference, drawn from /openapi.json.

import { element } from "./answer.js";
import { getJson } from "./http.js";
import { translatePage } from "./strings.js";

translatePage();
const target = document.getElementById("reference");
const schema = await getJson("/openapi.json");
for (const [path, methods] of Object.entries(schema.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const section = element("section", "operation");
    const heading = element("h2");
    heading.append(element("code", "", `${method.toUpperCase()} ${path}`));
    section.append(heading, element("p", "", operation.summary ?? ""));
    if (operation.description) section.append(element("p", "muted", operation.description));
    const fields = element("ul");
    for (const parameter of operation.parameters ?? []) {
      const item = element("li");
      item.append(element("code", "", parameter.name), ` (${parameter.in}${parameter.required ? ", required" : ""})`);
      fields.append(item);
    }
    const body = operation.requestBody?.content?.["application/json"]?.schema;
    for (const [name, field] of Object.entries(body?.properties ?? {})) {
      const item = element("li");
      const required = body.required?.includes(name) ? ", required" : "";
      item.append(element("code", "", name), ` (body${required}) ${field.description ?? ""}`);
      fields.append(item);
    }
    if (fields.childElementCount) section.append(fields);
    target.append(section);
  }
}
