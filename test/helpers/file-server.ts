/** A web server on this machine that serves one file, honours ranges, and can misbehave. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FileServer {
  url: string;
  /** The range that each request asked for; undefined: the whole file. */
  requests: (string | undefined)[];
  close(): Promise<void>;
}

export interface Behaviour {
  /** Bytes after which each of the first connections is cut. */
  cuts?: number[];
  /** Statuses of the first answers, before the file is served. */
  statuses?: number[];
  /** false: ranges are ignored, as some servers do. */
  ranges?: boolean;
  /** Keeps the first connection open without a byte. */
  stall?: boolean;
}

export async function serveFile(content: Uint8Array, behaviour: Behaviour = {}): Promise<FileServer> {
  const { cuts = [], statuses = [], ranges = true } = behaviour;
  let { stall = false } = behaviour;
  const requests: FileServer["requests"] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    requests.push(range);
    if (stall) {
      stall = false;
      return;
    }
    const status = statuses.shift();
    if (status !== undefined) return void response.writeHead(status).end();
    const from = ranges ? Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0) : 0;
    if (from >= content.length) return void response.writeHead(416).end();
    send(response, from, cuts.shift());
  });
  function send(response: ServerResponse, from: number, cut?: number): void {
    const body = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": body.length,
      ...(from > 0 ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    });
    if (cut === undefined) response.end(body);
    else response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/weights-1234.pth`,
    requests,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
