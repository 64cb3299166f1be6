// Shows /openapi.json: every operation with its parameters and answers, and a button to try it.
"use strict";

function element(name, text = "", children = []) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

// The shape of a schema as plain values; `seen` ends models that hold themselves.
function shape(schema, models, seen = []) {
  if (!schema) return "any";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return seen.includes(name) ? name : shape(models[name], models, [...seen, name]);
  }
  const choices = schema.anyOf || schema.oneOf;
  if (choices) {
    const shapes = choices.map((each) => shape(each, models, seen));
    return shapes.every((each) => typeof each === "string") ? shapes.join(" | ") : shapes;
  }
  if (schema.type === "array") return [shape(schema.items, models, seen)];
  if (schema.properties) {
    const entries = Object.entries(schema.properties);
    return Object.fromEntries(entries.map(([key, each]) => [key, shape(each, models, seen)]));
  }
  return schema.type || "any";
}

function answers(operation, models) {
  return Object.entries(operation.responses).flatMap(([status, answer]) => {
    const content = answer.content?.["application/json"];
    const heading = element("h3", `${status} ${answer.description || ""}`);
    if (!content) return [heading];
    return [heading, element("pre", JSON.stringify(shape(content.schema, models), null, 2))];
  });
}

function address(path, inputs) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") {
      filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (parameter.in === "query" && input.value !== "") {
      query.set(parameter.name, input.value);
    }
  }
  return query.size ? `${filled}?${query}` : filled;
}

async function execute(url, output) {
  output.hidden = false;
  output.textContent = `GET ${url} …`;
  try {
    const answer = await fetch(url);
    const text = await answer.text();
    let shown = text;
    try {
      shown = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // Not JSON: shown as it came.
    }
    output.textContent = `GET ${url}\n${answer.status}\n\n${shown}`;
  } catch (error) {
    output.textContent = `GET ${url}\n${error.message}`;
  }
}

function operationView(path, operation, models) {
  const summary = element("summary", "", [element("code", `GET ${path}`)]);
  summary.append(operation.summary || "");
  const form = element("form");
  const inputs = (operation.parameters || []).map((parameter) => {
    const input = element("input");
    input.name = parameter.name;
    input.required = Boolean(parameter.required);
    input.value = parameter.schema?.default ?? "";
    const kind = shape(parameter.schema, models);
    form.append(element("label", "", [element("code", parameter.name), input, ` ${kind}`]));
    return { parameter, input };
  });
  const output = element("pre");
  output.hidden = true;
  form.append(element("button", "Execute"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    execute(address(path, inputs), output);
  });
  const about = element("p", operation.description || "");
  return element("details", "", [summary, about, form, output, ...answers(operation, models)]);
}

async function start() {
  const place = document.getElementById("operations");
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`/openapi.json: ${answer.status}`);
    const api = await answer.json();
    const models = api.components?.schemas || {};
    document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
    document.getElementById("description").textContent = api.info.description || "";
    const views = Object.entries(api.paths).map(([path, methods]) =>
      operationView(path, methods.get, models),
    );
    place.replaceChildren(...views);
  } catch (error) {
    place.textContent = `The description of the API cannot be read: ${error.message}`;
  }
}

start();
