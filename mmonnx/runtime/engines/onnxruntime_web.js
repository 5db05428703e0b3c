// The child's side of ONNX Runtime Web: `node onnxruntime_web.js MODEL OPTIONS`, with the messages of worker.py.
// The package is found from the folder in which mmonnx is run, or by NODE_PATH.
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, uint64: BigUint64Array, int32: Int32Array,
  uint32: Uint32Array, int16: Int16Array, uint16: Uint16Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};

function exactly(count) {
  const data = Buffer.alloc(count);
  for (let done = 0; done < count; ) {
    const more = fs.readSync(0, data, done, count - done, null);
    if (more === 0) process.exit(0);
    done += more;
  }
  return data;
}

function receive(ort) {
  const header = JSON.parse(exactly(exactly(4).readUInt32LE(0)).toString());
  const feeds = {};
  for (const [name, type, shape] of header.arrays) {
    const kind = ARRAYS[type];
    const data = exactly(shape.reduce((a, b) => a * b, 1) * kind.BYTES_PER_ELEMENT);
    feeds[name] = new ort.Tensor(type, new kind(new Uint8Array(data).buffer), shape);
  }
  return feeds;
}

function write(data) {
  for (let done = 0; done < data.length; ) done += fs.writeSync(1, data, done);
}

function send(header, found = {}) {
  const arrays = Object.entries(found).map(([name, tensor]) => [name, tensor.type, [...tensor.dims]]);
  const text = Buffer.from(JSON.stringify({ ...header, arrays }));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  write(Buffer.concat([size, text]));
  for (const { data } of Object.values(found)) write(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
}

async function main(model) {
  let ort;
  try {
    const from = createRequire(path.join(process.cwd(), "package.json"));
    ort = from("onnxruntime-web");
    send({ version: ort.env.versions.web });
  } catch (error) {
    return send({ missing: String(error.message).split("\n")[0] });
  }
  const failed = (error) => send({ error: String((error && error.message) || error).split("\n")[0] });
  let session;
  try {
    ort.env.logLevel = "fatal";
    ort.env.wasm.numThreads = 1;
    session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], logSeverityLevel: 4 });
  } catch (error) {
    return failed(error);
  }
  send({});
  for (;;) {
    const feeds = receive(ort);
    try {
      send({}, await session.run(feeds));
    } catch (error) {
      failed(error);
    }
  }
}

// Whatever the runtime prints would be in the way of the messages.
console.log = console.info = console.debug = console.error;
main(process.argv[2]).then(() => process.exit(0));
