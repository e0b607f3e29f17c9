// A small classification service on node:http alone.
//
//   node examples/service.mjs [MODEL-FOLDER [PORT]]        arxiv-classifier is the package's own
//
//   GET  /health    → 200 {"status":"ok","labels":[…]}
//   POST /classify  {"title": "…", "abstract": "…"} → 200 {"category": "cs.CL", "probabilities": {…}}
//
// Requests that arrive together are classified together. SIGTERM or Ctrl-C answers what is open and stops.

import { createServer } from 'node:http';
import { ArxivNativeError, Predictor } from 'arxiv-native';

// Without a folder it is the classifier that comes with the package.
const [folder, port = '8080'] = process.argv.slice(2);

const LARGEST_BODY = 1_000_000;
/** What a client may take to finish its request once the service is to stop. */
const GRACE_MS = 10_000;

const predictor = await Predictor.load(folder).catch(end);

const server = createServer(async (request, response) => {
  const [status, answer] = await respond(request).catch(failure);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(answer)}\n`);
});

async function respond(request) {
  const route = `${request.method} ${request.url}`;
  if (route === 'GET /health') return [200, { status: 'ok', labels: predictor.labels }];
  if (route === 'POST /classify') return [200, await predictor.predict(await readPaper(request))];
  return [404, { error: 'there are GET /health and POST /classify' }];
}

async function readPaper(request) {
  const chunks = [];
  let size = 0;
  // What is too long is read to its end but not kept: a request that is cut off never sees its answer.
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= LARGEST_BODY) chunks.push(chunk);
  }
  if (size > LARGEST_BODY) throw new ArxivNativeError('BAD_INPUT', `the body is over ${LARGEST_BODY} bytes`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new ArxivNativeError('BAD_INPUT', 'the body is not JSON');
  }
}

/** A start that failed is a matter of the call: it is told without a stack. */
function end({ message, remedy }) {
  console.error(`error: ${message}${remedy ? `\n  remedy: ${remedy}` : ''}`);
  process.exit(1);
}

function failure(error) {
  if (error.code === 'BAD_INPUT') return [400, { error: error.message }];
  console.error(error);
  return [500, { error: 'the classification failed' }];
}

let requests = 0;
server.on('request', (_, response) => {
  requests++;
  response.once('close', () => {
    requests--;
    closeIdle();
  });
});

let stopping = false;

/** Once the last answer is out: a connection on which nothing was asked would keep the service for ever. */
function closeIdle() {
  if (stopping && requests === 0) server.closeAllConnections();
}

async function stop() {
  stopping = true;
  const closed = new Promise(resolve => server.close(resolve));
  closeIdle();
  setTimeout(() => server.closeAllConnections(), GRACE_MS).unref();
  await closed;
  await predictor.dispose();
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);

server.on('error', end);
if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
  end({ message: `the port is a number from 0 to 65535, not ${port}` });
}
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
