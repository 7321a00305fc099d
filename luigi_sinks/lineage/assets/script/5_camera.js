// What part of the drawing is seen. Moving it only moves a layer that is painted already.

const view = document.getElementById("view");
const camera = { x: 0, y: 0, scale: 1 };
const [LEAST, MOST] = [0.06, 2];
/** The least scale at which names can be read, and that up to which cards are drawn compact. */
const [READABLE, ROOMY_FROM] = [0.72, 0.85];

function look(gliding = false) {
  sheet.classList.toggle("gliding", gliding);
  sheet.style.transform = `translate(${Math.round(camera.x)}px, ${Math.round(camera.y)}px)`;
}

function zoomTo(scale, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const next = Math.min(MOST, Math.max(LEAST, scale));
  camera.x = x - ((x - camera.x) * next) / camera.scale;
  camera.y = y - ((y - camera.y) * next) / camera.scale;
  camera.scale = next;
  resize();
  look();
}

function resize() {
  svg.setAttribute("width", size.width * camera.scale);
  svg.setAttribute("height", size.height * camera.scale);
  scaleDetails();
}

/** Leave out what could not be read. */
function scaleDetails() {
  svg.classList.toggle("far", camera.scale < 0.55);
  svg.classList.toggle("very-far", camera.scale < 0.3);
}

/** The scale at which a box fills the view, within reason. */
const scaleFor = (box) => Math.min(view.clientWidth / (box.right - box.left), view.clientHeight / (box.bottom - box.top), 1.1);

/** Show all that is drawn. */
function fit() {
  frame(boxOf(visible), scaleFor(boxOf(visible)));
}

/** Show what matters most; of what would be too small to read, the columns around the most telling node that can be read. */
function openCamera() {
  const box = boxOf(focal());
  let seen = scaleFor(box) >= READABLE ? box : { ...box, ...readableColumns(columnsOf(focal()), nodes[mostTelling(visible)]) };
  frame(seen, Math.max(scaleFor(seen), READABLE));
  for (let cut = cutColumn(); cut; cut = cutColumn()) {
    seen = { ...seen, left: Math.min(seen.left, cut.left), right: Math.max(seen.right, cut.right) };
    if (scaleFor(seen) < READABLE) return;
    frame(seen, scaleFor(seen));
  }
}

/** A column of which the view shows only a part. */
function cutColumn() {
  const gap = measures.columns / 2;
  return columnsOf(visible).find(({ left, right }) => {
    const [from, to] = [(left + gap) * camera.scale + camera.x, (right - gap) * camera.scale + camera.x];
    return (from < -1 && to > 0) || (from < view.clientWidth && to > view.clientWidth + 1);
  });
}

function frame(box, scale) {
  camera.scale = Math.max(LEAST, scale);
  resize();
  centerAt((box.left + box.right) / 2, (box.top + box.bottom) / 2);
  look();
}

/** The nodes to be seen first: what the chosen run was made of, or else all. */
function focal() {
  const marked = [...visible].filter((index) => isCritical.has(nodes[index].key));
  return marked.length ? marked : [...visible];
}

/** Where nodes are, with the whole width of their columns. */
function boxOf(indexes) {
  const all = [...indexes].map((index) => nodes[index]);
  const columns = columnsOf(indexes);
  return {
    left: Math.min(...columns.map((column) => column.left)), right: Math.max(...columns.map((column) => column.right)),
    top: Math.min(...all.map((node) => node.y - node.height / 2)) - MARGIN,
    bottom: Math.max(...all.map((node) => node.y + node.height / 2)) + MARGIN,
  };
}

/** The columns that hold some nodes, from the middle of the gap before to the middle of the gap behind. */
function columnsOf(indexes) {
  const layers = [...indexes].map((index) => nodes[index].layer);
  const columns = new Map(layers.map((layer) => [layer, { layer, left: Infinity, right: -Infinity }]));
  for (const index of visible) {
    const { layer, x, width } = nodes[index];
    const column = columns.get(layer);
    if (!column) continue;
    column.left = Math.min(column.left, x - measures.columns / 2);
    column.right = Math.max(column.right, x + width + measures.columns / 2);
  }
  return [...columns.values()].sort((one, other) => one.layer - other.layer);
}

/** From where to where: whole columns around a node, first what is upstream, that are large enough to read. */
function readableColumns(columns, node) {
  let first = columns.findIndex((column) => column.layer === node.layer);
  let last = first;
  const isReadable = (one, other) => view.clientWidth / (columns[other].right - columns[one].left) >= READABLE;
  while (first > 0 && isReadable(first - 1, last)) first -= 1;
  while (last < columns.length - 1 && isReadable(first, last + 1)) last += 1;
  return { left: columns[first].left, right: columns[last].right, top: node.y - MARGIN, bottom: node.y + MARGIN };
}

/** Keep the drawing's ends at those of the view, or the drawing in the middle of a larger view. */
const within = (at, room, length) => (length < room ? (room - length) / 2 : Math.min(0, Math.max(at, room - length)));

/** Show a node in the middle, or nearer to the drawing's end than that. */
const center = (node) => centerAt(node.x + node.width / 2, node.y);

function centerAt(x, y) {
  camera.x = within(view.clientWidth / 2 - x * camera.scale, view.clientWidth, size.width * camera.scale);
  camera.y = within(view.clientHeight / 2 - y * camera.scale, view.clientHeight, size.height * camera.scale);
}

/** Whether a node is seen, and not only just. */
function isInSight(node) {
  const [left, right] = [node.x * camera.scale + camera.x, (node.x + node.width) * camera.scale + camera.x];
  const at = node.y * camera.scale + camera.y;
  const edge = 30;
  return left >= edge && right <= view.clientWidth - edge && at >= edge && at <= view.clientHeight - edge;
}

function reveal(node) {
  if (isInSight(node)) return;
  center(node);
  look(true);
}

let drag = null;
view.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  drag = { x: event.clientX - camera.x, y: event.clientY - camera.y, from: [event.clientX, event.clientY], moved: false };
});
view.addEventListener("pointermove", (event) => {
  if (!drag) return;
  drag.moved ||= Math.hypot(event.clientX - drag.from[0], event.clientY - drag.from[1]) > 4;
  if (!drag.moved) return;
  if (!view.hasPointerCapture(event.pointerId)) view.setPointerCapture(event.pointerId);
  view.classList.add("dragged");
  camera.x = event.clientX - drag.x;
  camera.y = event.clientY - drag.y;
  look();
});
for (const end of ["pointerup", "pointercancel"]) {
  view.addEventListener(end, () => {
    view.classList.remove("dragged");
    if (drag?.moved) view.addEventListener("click", (event) => event.stopPropagation(), { capture: true, once: true });
    setTimeout(() => (drag = null));
  });
}
view.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = view.getBoundingClientRect();
  const unit = event.deltaMode === 1 ? 16 : 1;
  if (event.ctrlKey || event.metaKey) {
    zoomTo(camera.scale * Math.exp(-event.deltaY * unit * 0.004), event.clientX - box.left, event.clientY - box.top);
    return;
  }
  camera.x -= (event.shiftKey ? event.deltaY : event.deltaX) * unit;
  camera.y -= (event.shiftKey ? 0 : event.deltaY) * unit;
  look();
}, { passive: false });
view.addEventListener("scroll", () => view.scrollTo(0, 0));  // the browser would scroll to what is focused

document.getElementById("nearer").addEventListener("click", () => zoomTo(camera.scale * 1.3));
document.getElementById("farther").addEventListener("click", () => zoomTo(camera.scale / 1.3));
document.getElementById("fit").addEventListener("click", () => fit());
