// Ranks the registered models for a text file, one row a line:  node query.mjs SERVER FILE [TOP]
// No sketcher is needed: the rows are streamed as Arrow record batches, and the service sketches them.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { Table, Utf8, tableToIPC, vectorFromArray } from "apache-arrow";

const CHUNK_BYTES = 1 << 20;
const [server, file, top = "5"] = process.argv.slice(2);
if (!server || !file) {
  console.error("usage: node query.mjs SERVER FILE [TOP]");
  process.exit(2);
}

const protos = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "protos");
const definition = loader.loadSync("msearch/v1/search_service.proto", {
  includeDirs: [protos], keepCase: true, defaults: true, oneofs: true, longs: Number, enums: String,
});
const { SearchService } = grpc.loadPackageDefinition(definition).msearch.v1;
const client = new SearchService(server, grpc.credentials.createInsecure());

const text = readFileSync(file, "utf8").split("\n").filter((line) => line.trim());
// The type is given because Arrow would make a dictionary of strings, which the service takes for categories.
const ipc = tableToIPC(new Table({ text: vectorFromArray(text, new Utf8()) }), "stream");

const call = client.SearchByData({ deadline: Date.now() + 30_000 }, (error, answer) => {
  client.close();
  if (error) {
    console.error(`error: ${error.details}`);
    process.exit(1);
  }
  console.log(`${answer.ranking.target_row_count} rows against ${answer.ranking.total_size} models`);
  for (const candidate of answer.ranking.candidates) {
    const scores = candidate.scores.map((score) => `${score.score}=${score.value.toFixed(3)}`).join(" ");
    console.log(`${candidate.rank}. ${candidate.model.name}@${candidate.model.version}  ${scores}`);
  }
});
call.write({ header: { options: { page_size: Number(top) } } });
for (let at = 0; at < ipc.length; at += CHUNK_BYTES) {
  call.write({ arrow_ipc: ipc.subarray(at, at + CHUNK_BYTES) });
}
call.end();
