const STYLES = ["fill", "stroke", "stroke-width", "font-size", "font-family", "text-anchor"] as const;

/**
 * Draws an SVG of the page on a canvas, twice as large as it is shown, with the colours that it has now.
 * @throws {DOMException} if the browser cannot decode it
 */
export async function svgPicture(svg: SVGSVGElement): Promise<HTMLCanvasElement> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const shown = svg.querySelectorAll("*"), copied = copy.querySelectorAll("*");
  shown.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of STYLES) copied[i].setAttribute(name, style.getPropertyValue(name));
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * width;
  canvas.height = 2 * height;
  const context = canvas.getContext("2d")!;
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}
