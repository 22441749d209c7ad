import { DataError } from "../../data/errors.ts";
import type { CaseReply, CaseRequest, ReadCase } from "./case_worker.ts";

type Answer = PromiseWithResolvers<CaseReply>;

/** Threads that read and write scans. There are as many as scans in work, so that a request never waits for a thread. */
export class CasePool implements Disposable {
  readonly #all: Worker[] = [];
  readonly #idle: Worker[] = [];

  /** Reads and preprocesses a scan. @throws {DataError} when it cannot be used */
  async read(request: Omit<Extract<CaseRequest, { type: "read" }>, "type">): Promise<ReadCase> {
    const reply = await this.#ask({ type: "read", ...request }, []);
    if (reply.type !== "read") throw new Error(`Cannot read a scan: the worker answered ${reply.type}`);
    return reply;
  }

  /** Writes a segmentation, whose labels this thread gives away. @throws {DataError} when that is not possible */
  async write(request: Omit<Extract<CaseRequest, { type: "write" }>, "type">): Promise<void> {
    await this.#ask({ type: "write", ...request }, [request.labels.buffer]);
  }

  async #ask(request: CaseRequest, transfer: Transferable[]): Promise<CaseReply> {
    const worker = this.#idle.pop() ?? this.#start();
    const answer: Answer = Promise.withResolvers();
    worker.onmessage = ({ data }: MessageEvent<CaseReply>) => answer.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      answer.reject(new Error(`Cannot ${request.type} a scan: a worker failed: ${event.message}`));
    };
    worker.postMessage(request, transfer);
    const reply = await answer.promise;
    this.#idle.push(worker);
    if (reply.type !== "failed") return reply;
    throw reply.fields ? new DataError(reply.fields) : new Error(reply.message);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./case_worker.ts", import.meta.url), { type: "module" });
    this.#all.push(worker);
    return worker;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#all) worker.terminate();
  }
}
