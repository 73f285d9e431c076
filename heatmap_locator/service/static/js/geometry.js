// Plane geometry: homographies, and a cut-out piece set upright into its box.

/** The 3x3 map (rows flattened) that takes four points to four others. */
export function homography(from, to) {
  const rows = [];
  for (let i = 0; i < 4; i += 1) {
    const [x, y] = from[i];
    const [u, v] = to[i];
    rows.push([x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]);
  }
  for (let c = 0; c < 8; c += 1) {
    let pivot = c;
    for (let r = c + 1; r < 8; r += 1) if (Math.abs(rows[r][c]) > Math.abs(rows[pivot][c])) pivot = r;
    [rows[c], rows[pivot]] = [rows[pivot], rows[c]];
    if (Math.abs(rows[c][c]) < 1e-12) return null;
    for (let r = 0; r < 8; r += 1) {
      if (r === c) continue;
      const f = rows[r][c] / rows[c][c];
      for (let k = c; k < 9; k += 1) rows[r][k] -= f * rows[c][k];
    }
  }
  return [...rows.map((row, i) => row[8] / row[i]), 1];
}

/** Whether four corners, clockwise as seen, make a convex shape of some size. */
export function isConvex(corners, leastArea = 0) {
  let area = 0;
  for (let i = 0; i < 4; i += 1) {
    const [ax, ay] = corners[i];
    const [bx, by] = corners[(i + 1) % 4];
    const [cx, cy] = corners[(i + 2) % 4];
    if ((bx - ax) * (cy - by) - (by - ay) * (cx - bx) <= 0) return false;
    area += (ax * by - bx * ay) / 2;
  }
  return area > leastArea;
}

const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

/** Width over height that a quadrilateral has once squared up, by its mean sides. */
export function aspect([a, b, c, d]) {
  return (distance(a, b) + distance(d, c)) / Math.max(distance(a, d) + distance(b, c), 1e-6);
}

/** Area of a quadrilateral over that of a frame. */
export function coverage(corners, width, height) {
  let area = 0;
  corners.forEach(([x, y], i) => {
    const [u, v] = corners[(i + 1) % 4];
    area += (x * v - u * y) / 2;
  });
  return Math.abs(area) / (width * height);
}

/**
 * Draws the part of an image within four corners squared up onto a canvas.
 * source: {data, width, height} as of getImageData; corners in its pixels.
 */
export function drawSquared(canvas, source, corners, longest = 360) {
  const ratio = Math.min(Math.max(aspect(corners), 0.2), 5);
  canvas.width = Math.round(ratio >= 1 ? longest : longest * ratio);
  canvas.height = Math.round(ratio >= 1 ? longest / ratio : longest);
  const { width, height } = canvas;
  const m = homography([[0, 0], [width, 0], [width, height], [0, height]], corners);
  if (!m) return;
  const context = canvas.getContext("2d");
  const out = context.createImageData(width, height);
  const from = new Uint32Array(source.data.buffer);
  const to = new Uint32Array(out.data.buffer);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [px, py] = [x + 0.5, y + 0.5];
      const w = m[6] * px + m[7] * py + 1;
      const u = Math.min(Math.max(Math.floor((m[0] * px + m[1] * py + m[2]) / w), 0), source.width - 1);
      const v = Math.min(Math.max(Math.floor((m[3] * px + m[4] * py + m[5]) / w), 0), source.height - 1);
      to[y * width + x] = from[v * source.width + u];
    }
  }
  context.putImageData(out, 0, 0);
}

/** Points along the outline of a cut-out's alpha, in its pixels; enough to know its extent. */
export function outlinePoints(image) {
  const factor = Math.min(1, 256 / Math.max(image.naturalWidth, image.naturalHeight));
  const width = Math.max(Math.round(image.naturalWidth * factor), 1);
  const height = Math.max(Math.round(image.naturalHeight * factor), 1);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const [sx, sy] = [image.naturalWidth / width, image.naturalHeight / height];
  const points = [];
  for (let y = 0; y < height; y += 1) {
    let first = -1;
    let last = -1;
    for (let x = 0; x < width; x += 1) {
      if (data[4 * (y * width + x) + 3] < 128) continue;
      if (first < 0) first = x;
      last = x + 1;
    }
    // A row's ends are all that any turned extent can depend on.
    if (first >= 0)
      for (const edge of [y, y + 1]) points.push([first * sx, edge * sy], [last * sx, edge * sy]);
  }
  if (!points.length) points.push([0, 0], [image.naturalWidth, image.naturalHeight]);
  return points;
}

/** Extent of points turned anticlockwise, as seen, by some degrees about the origin. */
export function turnedExtent(points, degrees) {
  const [cos, sin] = turnOf(degrees);
  let [x1, y1, x2, y2] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    const u = cos * x + sin * y;
    const v = cos * y - sin * x;
    x1 = Math.min(x1, u);
    x2 = Math.max(x2, u);
    y1 = Math.min(y1, v);
    y2 = Math.max(y2, v);
  }
  return [x1, y1, x2, y2];
}

const turnOf = (degrees) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];

/**
 * The affine map [a, b, c, d, e, f] (as of CSS and canvas) from pixels of a cut-out to pixels
 * of the picture: upright, as large as the box, about the box's centre.
 */
export function uprightMatrix(points, rotation, [x1, y1, x2, y2]) {
  const [u1, v1, u2, v2] = turnedExtent(points, rotation);
  const scale = Math.sqrt(((x2 - x1) * (y2 - y1)) / Math.max((u2 - u1) * (v2 - v1), 1e-9));
  const [cos, sin] = turnOf(rotation).map((value) => value * scale);
  const e = (x1 + x2) / 2 - (scale * (u1 + u2)) / 2;
  const f = (y1 + y2) / 2 - (scale * (v1 + v2)) / 2;
  return [cos, -sin, sin, cos, e, f];
}
