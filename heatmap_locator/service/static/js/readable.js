// Whether a file can be a picture, told before it is sent.

const HEAD = 32;

// First bytes of formats that every browser shows: one that it cannot show is damaged.
const SHOWN = [
  [0, [0xff, 0xd8, 0xff]],
  [0, [0x89, 0x50, 0x4e, 0x47]],
  [0, [0x47, 0x49, 0x46, 0x38]],
  [8, [0x57, 0x45, 0x42, 0x50]],
];

// Of those that the server reads though browsers may not: HEIC and AVIF, TIFF, BMP, JPEG 2000, PNM.
const SENT = [
  [4, [0x66, 0x74, 0x79, 0x70]],
  [0, [0x49, 0x49]],
  [0, [0x4d, 0x4d]],
  [0, [0x42, 0x4d]],
  [4, [0x6a, 0x50, 0x20, 0x20]],
  [0, [0xff, 0x4f, 0xff, 0x51]],
  [0, [0x50]],
];

const begins = (bytes, kinds) => kinds.some(([at, magic]) => magic.every((value, index) => bytes[at + index] === value));

/** "ok", "empty", "damaged" or "other": no picture at all. */
export async function readable(file) {
  if (!file.size) return "empty";
  const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  if (!begins(bytes, SHOWN)) return begins(bytes, SENT) || /\.tga$/i.test(file.name) ? "ok" : "other";
  try {
    (await createImageBitmap(file)).close();
    return "ok";
  } catch {
    return "damaged";
  }
}
