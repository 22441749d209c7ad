import assert from "node:assert/strict";
import { memorySource, openByteSource } from "../../../data/torch/byte_source.ts";
import { TorchError } from "../../../data/torch/types.ts";
import { readZipDirectory } from "../../../data/torch/zip_directory.ts";
import { ZipReader } from "../../../data/torch/zip_reader.ts";
import { ZipWriter } from "../../../data/torch/zip_writer.ts";
import { joinBytes } from "../../support/join_bytes.ts";
import { temporaryFolder } from "../../support/spawn.ts";
import { deflate, type Entry, zipBytes } from "./archives.ts";

const content = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) >> 3);

async function read(bytes: Uint8Array, name: string, begin?: number, end?: number): Promise<Uint8Array> {
  const source = memorySource(bytes, "file.pth");
  const records = await readZipDirectory(source);
  return await new ZipReader(source).read(records.get(name)!, begin, end);
}

/** Refused with one line that says what. */
function refused(bytes: Uint8Array, what: RegExp, name = "a"): Promise<void> {
  return assert.rejects(read(bytes, name), (error: unknown) => {
    assert.ok(error instanceof TorchError, (error as Error).stack);
    assert.match(error.message, /^Cannot read file\.pth: [^\n]+$/);
    assert.match(error.message, what);
    return true;
  });
}

Deno.test("ZipReader.read() gives whole records and pieces, stored and deflated", async () => {
  const bytes = zipBytes([
    { name: "a", content },
    { name: "b", content, deflated: await deflate(content) },
    { name: "empty", content: new Uint8Array() },
  ]);
  for (const name of ["a", "b"]) {
    assert.deepEqual(await read(bytes, name), content);
    assert.deepEqual(await read(bytes, name, 65_000, 65_007), content.slice(65_000, 65_007));
  }
  assert.equal((await read(bytes, "empty")).length, 0);
});

Deno.test("ZipReader.read() reads of a verified record only the piece, also when calls overlap", async () => {
  const source = memorySource(zipBytes([{ name: "a", content }]));
  let bytesRead = 0;
  const counting = {
    ...source,
    read(target: Uint8Array, offset: number) {
      bytesRead += target.length;
      return source.read(target, offset);
    },
  };
  const record = (await readZipDirectory(counting)).get("a")!;
  const reader = new ZipReader(counting);
  await reader.read(record);
  bytesRead = 0;
  const pieces = await Promise.all([0, 10, 20].map((at) => reader.read(record, at, at + 10)));
  assert.deepEqual(joinBytes(...pieces), content.slice(0, 30));
  assert.ok(bytesRead < 200, `${bytesRead} bytes read`);
});

Deno.test("readZipDirectory() reads sizes and places from zip64 fields", async () => {
  assert.deepEqual(
    await read(zipBytes([{ name: "x", content }, { name: "a", content, wide: true }]), "a"),
    content,
  );
});

Deno.test("ZipWriter writes what ZipReader reads beyond 4 GiB, with content at multiples of 64", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/large.zip`;
  const begin = 5 * 2 ** 30 + 3; // a hole: such a file takes no room
  {
    using file = await Deno.open(path, { write: true, createNew: true });
    await file.seek(begin, Deno.SeekMode.Start);
    const archive = new ZipWriter(async (bytes) => {
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    }, begin);
    await archive.add("a", content);
    await archive.add("folder/é", content.slice(1));
    await archive.finish();
  }
  await using source = await openByteSource(path);
  const records = await readZipDirectory(source);
  assert.deepEqual([...records.keys()], ["a", "folder/é"]);
  const reader = new ZipReader(source);
  assert.deepEqual(await reader.read(records.get("a")!), content);
  assert.deepEqual(await reader.read(records.get("folder/é")!, 5, 9), content.slice(6, 10));
  const head = new Uint8Array(30);
  for (const { headerOffset } of records.values()) {
    await source.read(head, headerOffset);
    const view = new DataView(head.buffer);
    assert.equal((headerOffset + 30 + view.getUint16(26, true) + view.getUint16(28, true)) % 64, 0);
  }
});

Deno.test("a zip archive is refused when it is truncated at any length", async () => {
  const bytes = zipBytes([{ name: "a", content: content.slice(0, 40) }]);
  for (let length = 0; length < bytes.length; length++) {
    await assert.rejects(read(bytes.slice(0, length), "a"), TorchError, `${length} bytes`);
  }
});

Deno.test("a zip archive is refused when a record's content is damaged", async () => {
  await refused(zipBytes([{ name: "a", content, crc: 1 }]), /checksum [0-9a-f]{8}, wanted 00000001/);
  await refused(zipBytes([{ name: "a", content, localName: "b" }]), /another name/);
  await refused(
    zipBytes([{ name: "a", content, deflated: content }]),
    /cannot be unpacked|holds more|ends after|checksum/,
  );
});

Deno.test("a zip archive is refused when its names lead elsewhere or occur twice", async () => {
  for (const name of ["../a", "/etc/passwd", "a/../../b", "C:\\a", "a\\b", "a\0b", "", "a//b"]) {
    await refused(zipBytes([{ name, content }]), /leads out of the archive/);
  }
  await refused(zipBytes([{ name: "a", content }, { name: "a", content }]), /there twice/);
});

Deno.test("a zip archive is refused when it is encrypted or packed in an unknown way", async () => {
  await refused(zipBytes([{ name: "a", content, flags: 1 }]), /is encrypted/);
  await refused(zipBytes([{ name: "a", content, method: 14 }]), /method 14/);
});

Deno.test("zip bombs are refused before they unpack", async () => {
  const zeros = new Uint8Array(5_000_000), packed = await deflate(zeros);
  const bomb = (entry: Partial<Entry>) =>
    zipBytes([{ name: "a", content: zeros, deflated: packed, ...entry }]);
  await refused(bomb({ bytes: 1e9 }), /more than deflate can give/);
  await refused(bomb({ bytes: 1000 }), /holds more than the 1000 bytes/);
  await refused(bomb({ bytes: 5_000_001 }), /ends after 5000000 of 5000001/);
  // Many names for one content, as in archives that unpack to petabytes.
  await refused(
    zipBytes([{ name: "a", content }, { name: "b", content, offset: 0 }]),
    /reaches into the next one/,
  );
  await refused(zipBytes([{ name: "a", content, offset: 1e9 }]), /reaches into the next one/);
});

Deno.test("a name in a message cannot drive a terminal", async () => {
  await refused(zipBytes([{ name: "../\u001b[31m\u009b1m\nx", content }]), /"\.\.\/\?\[31m\?1m\?x"/);
});
