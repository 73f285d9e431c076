// Photos as large as the search has use for: a phone's are several times that, and lines are slow.

const ONE = 2000; // pixels of the longer side of a photo of one piece
const MANY = 4000; // of many pieces, or of a lid
const SMALL = 500_000; // bytes under which a file is sent as it is
const QUALITY = 0.9;

/**
 * A smaller JPEG of a photo, upright as its orientation says, or the file itself: where it is small,
 * has no more pixels, or is of a kind that may have an outline (PNG, WebP) or is not shown here.
 * many: it shows many pieces, or a whole picture.
 */
export async function reduced(file, many) {
  if (file.type !== "image/jpeg" || file.size < SMALL) return file;
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return file; // the server says what is wrong with it
  }
  const { width, height } = image;
  const factor = Math.min(1, (many ? MANY : ONE) / Math.max(width, height));
  if (factor === 1) {
    image.close();
    return file;
  }
  const smooth = { resizeWidth: Math.round(width * factor), resizeHeight: Math.round(height * factor), resizeQuality: "high" };
  const small = await createImageBitmap(image, smooth);
  image.close();
  const canvas = new OffscreenCanvas(small.width, small.height);
  canvas.getContext("2d").drawImage(small, 0, 0);
  small.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return blob.size < file.size ? new File([blob], file.name, { type: blob.type }) : file;
}
