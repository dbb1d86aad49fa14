// A service that takes webhooks. It is given its secrets as arguments, prints the port it listens on, and for each request a line
// of JSON: the event it verified with each secret, or why not, and what came of variations that must be refused.
const http = require("http");
const { Webhook } = require("standardwebhooks");

const secrets = process.argv.slice(2);

const verify = (secret, body, headers) => {
  try {
    return { event: new Webhook(secret).verify(body, headers) };
  } catch (error) {
    return { error: error.message };
  }
};

http
  .createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (piece) => (body += piece));
    request.on("end", () => {
      const headers = request.headers;
      const stale = String(Number(headers["webhook-timestamp"]) - 600);
      const at = new Date(Number(headers["webhook-timestamp"]) * 1000);
      console.log(
        JSON.stringify({
          id: headers["webhook-id"],
          timestamp: headers["webhook-timestamp"],
          signature: headers["webhook-signature"],
          body,
          verified: secrets.map((secret) => verify(secret, body, headers)),
          refused: [
            verify(secrets[0], body + " ", headers),
            verify(secrets[0], body, { ...headers, "webhook-id": "another" }),
            verify(secrets[0], body, { ...headers, "webhook-timestamp": stale }),
            verify("whsec_" + Buffer.alloc(32, 7).toString("base64"), body, headers),
          ],
          signed: secrets.map((secret) => new Webhook(secret).sign(headers["webhook-id"], at, body)),
        }),
      );
      response.writeHead(204).end();
    });
  })
  .listen(0, "127.0.0.1", function () {
    console.log(this.address().port);
  });
