// Small things for the document: each writes only what has changed, for a write that changes nothing costs a layout.

export const $ = (id) => document.getElementById(id);

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) {
    made.className = className;
  }
  if (text !== undefined) {
    made.textContent = text;
  }
  return made;
}

export function text(node, value) {
  if (node.textContent !== value) {
    node.textContent = value;
  }
}

export function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

// Rows of texts: [[cell, cell, ...], ...]; `numbers`: the columns that are numbers.
export function table(body, rows, numbers) {
  while (body.rows.length > rows.length) {
    body.deleteRow(-1);
  }
  rows.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    cells.forEach((value, column) => {
      const cell = row.cells[column] ?? row.insertCell();
      if (numbers.includes(column)) {
        cell.className = "number";
      }
      text(cell, value);
    });
  });
}
