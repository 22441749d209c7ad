/** A number with four significant digits, powers of ten below 0.001 and above 10^6, and a dash where there is none. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en-GB");
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2).replace("e+", "e");
  return value.toPrecision(size < 1 ? 3 : 4);
}

/** A number with its unit; units of `scaled` ("FLOP/s", "voxels/s", ...) get a decimal prefix. */
export function formatValue(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "%") return `${formatNumber(100 * value)} %`;
  if (unit === "ms" && value >= 10_000) return formatDuration(value / 1000);
  const prefixed = unit === "FLOP/s" || unit === "voxels/s";
  const power = prefixed ? Math.min(5, Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3))) : 0;
  const text = formatNumber(value / 1000 ** power);
  return `${text}${unit ? ` ${["", "k", "M", "G", "T", "P"][power]}${unit}` : ""}`;
}

/** Memory in the binary unit that fits: "8.64 GiB". */
export function formatBytes(bytes: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(bytes || 1) / 10)));
  return `${formatNumber(bytes / 1024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** A time span in its two largest units: "2 d 3 h", "4 min 10 s", "0.25 s". */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 60) return `${seconds < 10 ? Number(seconds.toPrecision(2)) : Math.round(seconds)} s`;
  const s = Math.round(seconds);
  const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [
    Math.floor(s / 60) % 60,
    "min",
  ], [s % 60, "s"]] as const;
  const first = parts.findIndex(([n]) => n > 0);
  return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

/** A moment as UTC, "2026-11-23 13:27:25"; `time` in milliseconds since 1970. */
export function formatTime(time: number | null | undefined): string {
  return time ? new Date(time).toISOString().slice(0, 19).replace("T", " ") : "–";
}

/** How long ago a moment was, in its largest unit; both in milliseconds since 1970. */
export function formatAgo(time: number | null | undefined, now: number): string {
  if (!time) return "never";
  return now - time < 2000
    ? "now"
    : `${formatDuration(Math.round((now - time) / 1000)).split(" ").slice(0, 2).join(" ")} ago`;
}
