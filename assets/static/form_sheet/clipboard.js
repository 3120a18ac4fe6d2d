// Blocks of cells as Excel and WPS put them on the clipboard: tab-separated, quoted where a cell holds a tab, a line break or a quote.

/** Text → rows of texts. One trailing blank row (Excel adds it) is dropped. */
export function parseBlock(text) {
  const rows = [[]];
  let cell = "";
  let quoted = false;
  const source = text.replace(/\r\n?/g, "\n");
  for (let i = 0; i < source.length; i++) {
    const char = source[i];
    if (quoted) {
      if (char === '"' && source[i + 1] === '"') (cell += '"'), i++;
      else if (char === '"') quoted = false;
      else cell += char;
    } else if (char === '"' && cell === "" && closes(source, i)) quoted = true;
    else if (char === "\t") rows.at(-1).push(cell), (cell = "");
    else if (char === "\n") rows.at(-1).push(cell), (cell = ""), rows.push([]);
    else cell += char;
  }
  rows.at(-1).push(cell);
  if (rows.length > 1 && rows.at(-1).every((text) => text === "")) rows.pop();
  return rows.map((row) => row.map((text) => text.trim()));
}

// A lone quote at the start of a cell (5" pipe) is text; it opens a quoted cell only if a quote before a tab or line end closes it.
function closes(source, start) {
  for (let i = start + 1; i < source.length; i++) {
    if (source[i] !== '"') continue;
    if (source[i + 1] === '"') i++;
    else return i + 1 === source.length || source[i + 1] === "\t" || source[i + 1] === "\n";
  }
  return false;
}

/** Rows of texts → text for the clipboard. */
export function formatBlock(rows) {
  const quote = (text) => (/[\t\n"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => row.map(quote).join("\t")).join("\r\n");
}
