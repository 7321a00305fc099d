// What part of the drawing is seen. Moving it only moves a layer that is painted already.

const view = document.getElementById("view");
const camera = { x: 0, y: 0, scale: 1 };
const [LEAST, MOST] = [0.06, 2];

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

/** Show all that is drawn; if it would be too small to read, show what matters most at a readable size. */
function fit(least = LEAST) {
  const whole = Math.min(view.clientWidth / size.width, view.clientHeight / size.height, 1.1);
  camera.scale = Math.max(whole, least);
  resize();
  center(nodes[mostTelling(visible)]);
  look();
}

/** Keep the drawing's ends at those of the view, or the drawing in the middle of a larger view. */
const within = (at, room, length) => (length < room ? (room - length) / 2 : Math.min(0, Math.max(at, room - length)));

/** Show a node in the middle, or nearer to the drawing's end than that. */
function center(node) {
  const [x, y] = [(node.x + node.width / 2) * camera.scale, node.y * camera.scale];
  camera.x = within(view.clientWidth / 2 - x, view.clientWidth, size.width * camera.scale);
  camera.y = within(view.clientHeight / 2 - y, view.clientHeight, size.height * camera.scale);
}

/** Whether a node is seen, and not only just. */
function isInSight(node) {
  const [left, right] = [node.x * camera.scale + camera.x, (node.x + node.width) * camera.scale + camera.x];
  const at = node.y * camera.scale + camera.y;
  const edge = 30;
  return left >= edge && right <= view.clientWidth - edge && at >= edge && at <= view.clientHeight - edge - 40;
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
