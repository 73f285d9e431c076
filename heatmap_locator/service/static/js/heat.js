// The heatmap as a layer: cold is clear, warm is bright.

// The stops go from clear to opaque, so that the picture stays visible where nothing is found.
const STOPS = [
  [0.0, 84, 20, 60, 0],
  [0.25, 150, 28, 60, 0.35],
  [0.5, 226, 66, 38, 0.62],
  [0.75, 255, 150, 40, 0.8],
  [1.0, 255, 236, 150, 0.92],
];

function ramp() {
  const table = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i += 1) {
    // The cube root lifts what is faint: a peak alone would be a dot.
    const t = Math.cbrt(i / 255);
    const k = Math.max(STOPS.findIndex(([at]) => at >= t), 1);
    const [a, ...low] = STOPS[k - 1];
    const [b, ...high] = STOPS[k];
    const part = (t - a) / (b - a);
    low.forEach((value, c) => {
      const mixed = value + (high[c] - value) * part;
      table[4 * i + c] = c === 3 ? 255 * mixed : mixed;
    });
  }
  return table;
}

let table = null;

/** A canvas of the heatmap's colours out of its grey or RGBA picture. */
export function colourHeat(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const { data } = pixels;
  let highest = 0;
  for (let i = 0; i < data.length; i += 4) highest = Math.max(highest, (data[i] * data[i + 3]) / 255);
  if (highest === 0) return canvas;
  table ||= ramp();
  for (let i = 0; i < data.length; i += 4) {
    const heat = Math.round((data[i] * data[i + 3]) / highest);
    for (let c = 0; c < 4; c += 1) data[i + c] = table[4 * Math.min(heat, 255) + c];
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
