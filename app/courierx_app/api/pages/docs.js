"use strict";
// Shows /openapi.json. Everything is set as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function resolve(schema, document_) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((at, key) => at[key], document_);
}

function kind(schema, document_) {
  const plain = resolve(schema, document_);
  const choices = plain.oneOf || plain.anyOf;
  if (choices) return choices.map((each) => kind(each, document_)).join(" or ");
  if (plain.enum) return plain.enum.join(" | ");
  if (plain.type === "array") return kind(plain.items, document_) + ", several";
  return plain.format || plain.title || plain.type || "any";
}

function table(headings, rows) {
  const made = element("table");
  const top = made.appendChild(element("tr"));
  headings.forEach((heading) => top.appendChild(element("th", heading)));
  rows.forEach((cells) => {
    const row = made.appendChild(element("tr"));
    cells.forEach((cell, at) => row.appendChild(element("td")).appendChild(element(at ? "span" : "code", cell)));
  });
  return made;
}

function fields(schema, document_) {
  const plain = resolve(schema, document_);
  const required = plain.required || [];
  return Object.entries(plain.properties || {}).map(([name, each]) => [
    name, kind(each, document_), required.includes(name) ? "required" : "",
  ]);
}

function operation(method, path, found, document_) {
  const made = element("details");
  const head = made.appendChild(element("summary"));
  head.append(
    element("span", method.toUpperCase(), "method"), element("span", path, "path"),
    element("span", (found.description || found.summary || "").split("\n")[0], "words"),
  );
  if (found.description) made.appendChild(element("p", found.description));
  const parameters = (found.parameters || []).filter((each) => each.in !== "header");
  if (parameters.length) {
    made.appendChild(table(["Parameter", "Takes", "In"],
      parameters.map((each) => [each.name, kind(each.schema, document_), each.in])));
  }
  Object.entries((found.requestBody || {}).content || {}).forEach(([type, body]) => {
    const rows = fields(body.schema, document_);
    made.appendChild(element("p", "Body: " + type + " " + (rows.length ? "" : (body.schema || {}).description || "")));
    if (rows.length) made.appendChild(table(["Field", "Takes", ""], rows));
  });
  Object.entries(found.responses || {}).forEach(([status, answer]) => {
    const [body] = Object.values(answer.content || {});
    const schema = body && resolve(body.schema, document_);
    const rows = schema ? fields(schema.type === "array" ? schema.items : schema, document_) : [];
    made.appendChild(element("p", "Answer " + status + ": " + (answer.description || "")));
    if (status < "300" && rows.length) made.appendChild(table(["Field", "Is", ""], rows.map((row) => row.slice(0, 2))));
  });
  return made;
}

async function show() {
  const main = document.getElementById("operations");
  const document_ = await (await fetch("/openapi.json")).json();
  const groups = new Map();
  Object.entries(document_.paths).forEach(([path, methods]) => {
    METHODS.filter((method) => methods[method]).forEach((method) => {
      const found = methods[method];
      const name = (found.tags || ["Other"])[0];
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(operation(method, path, found, document_));
    });
  });
  main.textContent = "";
  [...groups.keys()].sort().forEach((name) => main.append(element("h2", name), ...groups.get(name)));
}

show().catch((problem) => { document.getElementById("operations").textContent = String(problem); });
