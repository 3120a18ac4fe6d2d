// Small DOM helpers. Text always arrives through textContent or attributes, never as HTML.

const PROPERTIES = new Set(["value", "checked", "disabled", "readOnly", "tabIndex", "rows", "maxLength", "type", "name"]);

/** Build an element: `class`, `text`, `data` (dataset), `on…` listeners, properties and attributes; children are nodes or strings. */
export function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
}

let lastId = 0;
/** An id that no other element of this page has. */
export const uniqueId = (stem) => `lvs-${stem}-${++lastId}`;

export const LEVELS = {
  error: { word: "错误", icon: "✕", rank: 0 },
  warning: { word: "警告", icon: "!", rank: 1 },
  note: { word: "提示", icon: "i", rank: 2 },
};

/** Icon and word of a level: never colour alone. */
export function levelChip(level, extra = "") {
  const { word, icon } = LEVELS[level];
  return h(
    "span",
    { class: `lvs-chip lvs-chip-${level}` },
    h("span", { class: "lvs-chip-icon", "aria-hidden": "true", text: icon }),
    extra ? `${word} ${extra}` : word,
  );
}

/** Put a floating box beside a cell: under it, above it, else to its right or left; always inside the window. */
export function placeBeside(box, anchor, gap = 6) {
  const room = { width: document.documentElement.clientWidth, height: window.innerHeight };
  const size = box.getBoundingClientRect();
  const keep = (value, most) => Math.max(8, Math.min(value, most - 8));
  let left = (room.width - size.width) / 2;
  let top = (room.height - size.height) / 3;
  if (anchor?.isConnected) {
    const at = anchor.getBoundingClientRect();
    left = at.left;
    if (at.bottom + gap + size.height + 8 <= room.height) top = at.bottom + gap;
    else if (at.top - gap - size.height >= 8) top = at.top - gap - size.height;
    else {
      top = at.top - 40;
      left = at.right + gap + size.width + 8 <= room.width ? at.right + gap : at.left - gap - size.width;
    }
  }
  box.style.left = `${keep(left, room.width - size.width)}px`;
  box.style.top = `${keep(top, room.height - size.height)}px`;
}

/** Whether two boxes on the page cover each other in part. */
export function overlap(one, other) {
  const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
  return a.width > 0 && a.height > 0 && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** True while the key event belongs to an input method (拼音 …) that has not finished. */
export const composing = (event) => event.isComposing || event.keyCode === 229;
