// Where nodes are drawn: layers and order are Python's; here they become coordinates.

/** The least and the most width of a node, its height, where its text begins and ends, and the gaps between nodes. */
const ROOMY = {
  width: { dataset: [212, 212], job: [110, 212] }, height: { dataset: 46, job: 36 }, left: 36, right: 18, gap: 16, columns: 54,
};
/** The same where all would be too small to read otherwise: narrower cards that have their names alone, in two lines. */
const COMPACT = {
  width: { dataset: [60, 150], job: [60, 150] }, height: { dataset: 40, job: 38 }, left: 27, right: 12, gap: 12, columns: 26,
};
const BEND = 10;
const MARGIN = 24;
let measures = ROOMY;

/** Give each visible node x and y, and each visible edge the points that it passes; return the size of it all. */
function place(visible) {
  const shown = edges.filter((edge) => visible.has(edge.start) && visible.has(edge.end));
  const items = [...visible].map((index) => nodeItem(nodes[index]));
  const byNode = new Map(items.map((item) => [item.node.index, item]));
  for (const edge of shown) items.push(...chainItems(edge, byNode));
  const columns = inColumns(items);
  stack(columns);
  for (let sweep = 0; sweep < 6; sweep += 1) {
    for (const column of columns) settle(column, ["left"]);
    for (const column of [...columns].reverse()) settle(column, ["right"]);
  }
  for (const column of columns) settle(column, ["left", "right"]);
  return write(columns, shown, byNode);
}

const nodeItem = (node) => ({
  node, layer: node.layer, order: node.place, height: measures.height[node.kind], y: 0, left: [], right: [],
});

/** The bends of an edge, linked with each other and with the nodes at its ends. */
function chainItems(edge, byNode) {
  const start = byNode.get(edge.start);
  const end = byNode.get(edge.end);
  if (start.layer >= end.layer) return [];
  const bends = edge.bends.map((order, number) => ({
    edge, layer: start.layer + number + 1, order, height: BEND, y: 0, left: [], right: [],
  }));
  const chain = [start, ...bends, end];
  chain.slice(1).forEach((item, number) => {
    const before = chain[number];
    const weight = item.edge && before.edge ? 6 : item.edge || before.edge ? 2 : 1;
    before.right.push([item, weight]);
    item.left.push([before, weight]);
  });
  edge.way = bends;
  return bends;
}

function inColumns(items) {
  const columns = new Map();
  for (const item of items) {
    if (!columns.has(item.layer)) columns.set(item.layer, []);
    columns.get(item.layer).push(item);
  }
  const ordered = [...columns.keys()].sort((one, other) => one - other).map((layer) => columns.get(layer));
  for (const column of ordered) column.sort((one, other) => one.order - other.order);
  return ordered;
}

const distance = (above, below) => (above.height + below.height) / 2 + (above.edge || below.edge ? measures.gap / 2 : measures.gap);

function stack(columns) {
  for (const column of columns) {
    let y = 0;
    column.forEach((item, number) => {
      if (number) y += distance(column[number - 1], item);
      item.y = y;
    });
    for (const item of column) item.y -= y / 2;
  }
}

/** Move each item of a column as near to its neighbours as the others allow, keeping the order: pool adjacent violators. */
function settle(column, sides) {
  const pools = [];
  let offset = 0;
  column.forEach((item, number) => {
    if (number) offset += distance(column[number - 1], item);
    item.offset = offset;
    const [wanted, weight] = wish(item, sides);
    pools.push({ sum: (wanted - offset) * weight, weight, count: 1 });
    while (pools.length > 1 && mean(pools.at(-2)) >= mean(pools.at(-1))) {
      const last = pools.pop();
      const pool = pools.at(-1);
      pool.sum += last.sum;
      pool.weight += last.weight;
      pool.count += last.count;
    }
  });
  let at = 0;
  for (const pool of pools) {
    for (const item of column.slice(at, at + pool.count)) item.y = mean(pool) + item.offset;
    at += pool.count;
  }
}

const mean = (pool) => pool.sum / pool.weight;

/** Where an item would be by itself, and how much that counts; one without neighbours stays where it is. */
function wish(item, sides) {
  let sum = 0;
  let weight = 0;
  for (const side of sides) {
    for (const [other, counts] of item[side]) {
      sum += other.y * counts;
      weight += counts;
    }
  }
  return weight ? [sum / weight, weight] : [item.y, 0.05];
}

function write(columns, shown, byNode) {
  const items = columns.flat();
  const top = Math.min(...items.map((item) => item.y - item.height / 2));
  const bottom = Math.max(...items.map((item) => item.y + item.height / 2));
  let x = MARGIN;
  for (const column of columns) {
    for (const item of column) item.width = item.node ? widthOf(item.node) : 0;
    const width = Math.max(...column.map((item) => item.width));
    for (const item of column) {
      item.y += MARGIN - top;
      item.x = x + (item.node ? (width - item.width) / 2 : 0);
      item.width ||= width;
    }
    x += width + measures.columns;
  }
  for (const { node, x: at, y, width, height } of byNode.values()) Object.assign(node, { x: at, y, width, height });
  const floors = new Map(columns.map((column) => [column[0].layer, Math.max(...column.map((item) => item.y + item.height / 2))]));
  for (const edge of shown) edge.line = lineOf(edge, byNode, floors);
  return { width: x - measures.columns + MARGIN, height: bottom - top + 2 * MARGIN, shown };
}

/** A node is as wide as its name, within limits. */
function widthOf(node) {
  const [least, most] = measures.width[node.kind];
  const lines = measures === COMPACT ? halves(node.title) : [node.title];
  const widest = Math.max(...lines.map((line) => textWidth(line, TITLE)));
  return Math.min(most, Math.max(least, Math.ceil(widest) + measures.left + measures.right));
}

const round = (number) => Math.round(number * 10) / 10;

/** The line of an edge: level past the columns between, curved in the gaps. */
function lineOf(edge, byNode, floors) {
  const start = byNode.get(edge.start);
  const end = byNode.get(edge.end);
  let [x, y] = [start.x + start.width, start.y];
  if (start.layer >= end.layer) {
    const passed = [...floors].filter(([layer]) => layer >= end.layer && layer <= start.layer);
    return lineBack(x, y, end, Math.max(...passed.map(([, floor]) => floor)));
  }
  let line = `M${round(x)} ${round(y)}`;
  for (const stop of [...edge.way, end]) {
    const middle = (x + stop.x) / 2;
    line += `C${round(middle)} ${round(y)} ${round(middle)} ${round(stop.y)} ${round(stop.x)} ${round(stop.y)}`;
    [x, y] = [stop.x + stop.width, stop.y];
    if (stop !== end) line += `H${round(x)}`;
  }
  return line;
}

/** The line of an edge that closes a cycle: below all that it passes, and back to the left. */
function lineBack(x, y, end, floor) {
  const low = round(floor + 14);
  const [right, left] = [round(x + 26), round(end.x - 26)];
  return `M${round(x)} ${round(y)}C${right} ${round(y)} ${right} ${low} ${round(x)} ${low}`
    + `H${round(end.x)}C${left} ${low} ${left} ${round(end.y)} ${round(end.x)} ${round(end.y)}`;
}
