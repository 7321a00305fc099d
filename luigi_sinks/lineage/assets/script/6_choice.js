// What is chosen, what is highlighted for it, and how the keyboard moves.

let chosen = -1;
let tracedUp = null;
let tracedDown = null;
let found = null;
const isTraced = (index) => Boolean(tracedUp?.has(index) || tracedDown?.has(index));
const said = document.getElementById("said");
const say = (text) => { said.textContent = text; };

/** Choose a node: show its details, and highlight what is upstream and downstream. */
function choose(index, { focus = false, trace: traced = "both" } = {}) {
  const node = nodes[index];
  if (!visible.has(index)) open(index);
  chosen = index;
  found = null;
  search.value = "";
  trace(traced);
  showDetails(node);
  reveal(node);
  rove(node);
  if (focus) node.element.focus({ preventScroll: true });
  history.replaceState(null, "", `#${encodeURIComponent(node.key)}`);
}

function trace(which) {
  const itself = [chosen];
  tracedUp = which === "none" ? null : new Set(which === "down" ? itself : [...reached(chosen, "ins"), ...itself]);
  tracedDown = which === "none" ? null : new Set(which === "up" ? itself : [...reached(chosen, "outs"), ...itself]);
  show();
}

function clear() {
  chosen = -1;
  tracedUp = tracedDown = found = null;
  search.value = "";
  show();
  showOverview();
  history.replaceState(null, "", location.pathname + location.search);
}

/** Draw the neighbourhood of a node that is not drawn. */
function open(index) {
  draw(neighbourhood(index, MOST_AROUND));
  resize();
  center(nodes[index]);
  look();
  showExtent(nodes[index]);
}

/** Make one node the one that Tab comes to. */
let tabbed = null;
function rove(node) {
  tabbed?.setAttribute("tabindex", "-1");
  tabbed = node.element;
  tabbed.setAttribute("tabindex", "0");
}

/** Move the focus to a node, which may have to be drawn first. */
function go(index) {
  if (!visible.has(index)) {
    if (chosen >= 0) clear();
    open(index);
    say(`Showing what is around ${nodes[index].title}`);
  }
  const node = nodes[index];
  rove(node);
  node.element.focus({ preventScroll: true });
  reveal(node);
}

const nearest = (node, indexes) =>
  indexes.reduce((best, index) => (best < 0 || far(node, index) < far(node, best) ? index : best), -1);
const far = (node, index) => (visible.has(index) ? Math.abs(nodes[index].y - node.y) : 1e6 + index);

/** The next node in a column, up (-1) or down (1); from its end, the same column's other end. */
function beside(node, step) {
  const column = [...visible].filter((index) => nodes[index].layer === node.layer);
  column.sort((one, other) => nodes[one].y - nodes[other].y);
  return column[(column.indexOf(node.index) + step + column.length) % column.length];
}

const MOVES = {
  ArrowRight: (node) => nearest(node, node.outs),
  ArrowLeft: (node) => nearest(node, node.ins),
  ArrowDown: (node) => beside(node, 1),
  ArrowUp: (node) => beside(node, -1),
  Home: () => inReadingOrder(visible)[0],
  End: () => inReadingOrder(visible).at(-1),
};

view.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = nodes[event.target.closest?.("[data-index]")?.dataset.index];
  if (node && event.key in MOVES) {
    const next = MOVES[event.key](node);
    if (next >= 0) go(next);
    else say(event.key === "ArrowRight" ? "Nothing downstream" : "Nothing upstream");
  } else if (node && (event.key === "Enter" || event.key === " ")) choose(node.index, { focus: true });
  else if (event.key === "Escape") clear();
  else if (event.key === "+" || event.key === "=") zoomTo(camera.scale * 1.3);
  else if (event.key === "-") zoomTo(camera.scale / 1.3);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});

view.addEventListener("focusin", (event) => {
  const node = nodes[event.target.closest?.("[data-index]")?.dataset.index];
  if (node && event.target.matches(":focus-visible")) reveal(node);
});

view.addEventListener("click", (event) => {
  const target = event.target.closest("[data-index]");
  if (!target) return;
  const node = nodes[target.dataset.index];
  if (event.target.closest("[data-around]")) open(node.index);
  choose(node.index, { focus: true });
});
