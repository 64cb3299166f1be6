// Elements are made here and nowhere else. Text from the CRM enters as text nodes only:
// there is no innerHTML in this page.
"use strict";

const Dom = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  // properties: `class`, `on` ({click: f}), `data`, attributes; null and false leave one out.
  function set(element, properties) {
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") {
        for (const [event, listener] of Object.entries(value))
          element.addEventListener(event, listener);
      } else if (name === "data") {
        Object.assign(element.dataset, value);
      } else {
        element.setAttribute(name, value === true ? "" : String(value));
      }
    }
  }

  function fill(element, children) {
    element.append(
      ...children
        .flat(Infinity)
        .filter((child) => child !== null && child !== undefined && child !== false),
    );
    return element;
  }

  function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    set(element, properties);
    return fill(element, children);
  }

  function svg(tag, properties = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    set(element, properties);
    return fill(element, children);
  }

  function replace(element, ...children) {
    element.replaceChildren();
    return fill(element, children);
  }

  function button(label, onClick, properties = {}) {
    return el("button", { type: "button", ...properties, on: { click: onClick } }, label);
  }

  // A link to the CRM where one is configured, else plain text.
  function outward(label, url) {
    if (!url || !/^https?:\/\//i.test(url)) return document.createTextNode(label);
    return el(
      "a",
      { href: url, target: "_blank", rel: "noopener noreferrer", class: "outward" },
      label,
    );
  }

  return { el, svg, replace, button, outward };
})();
