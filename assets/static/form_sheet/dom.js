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

/**
 * Put a floating box beside a cell: under it, above it, to its right or left, always inside the window; the first place
 * where it covers least of the cell and of what else is to stay `clear`.
 */
export function placeBeside(box, anchor, { gap = 6, clear = [] } = {}) {
  const room = { width: document.documentElement.clientWidth, height: window.innerHeight };
  const { width, height } = box.getBoundingClientRect();
  const keep = (value, most) => Math.max(8, Math.min(value, most - 8));
  let places = [[(room.width - width) / 2, (room.height - height) / 3]];
  if (anchor?.isConnected) {
    const at = anchor.getBoundingClientRect();
    const beside = at.top - 40;
    places = [[at.left, at.bottom + gap], [at.left, at.top - gap - height], [at.right + gap, beside], [at.left - gap - width, beside]];
  }
  const boxes = [...new Set([anchor, ...clear])].filter((one) => one?.isConnected).map((one) => one.getBoundingClientRect());
  const covered = ([left, top]) => boxes.filter((one) => meet(one, { left, top, right: left + width, bottom: top + height })).length;
  const inside = places.map(([left, top]) => [keep(left, room.width - width), keep(top, room.height - height)]);
  const [left, top] = inside.reduce((best, place) => (covered(place) < covered(best) ? place : best));
  box.style.left = `${left}px`;
  box.style.top = `${top}px`;
}

const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Whether two boxes on the page cover each other in part. */
export function overlap(one, other) {
  const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
  return a.width > 0 && a.height > 0 && meet(a, b);
}

/** True while the key event belongs to an input method (拼音 …) that has not finished. */
export const composing = (event) => event.isComposing || event.keyCode === 229;
