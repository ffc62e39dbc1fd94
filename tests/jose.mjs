// JOSE and HPKE as programs of others have them: `jose` and `@hpke/core`, for
// tests/jose.bats. Each command reads stdin and writes stdout.
//
//   jose.mjs verify               a JWS of ours -> its payload; checks its
//                                 header's key, thumbprint and type
//   jose.mjs sign KEYFILE TYP ORDER  a payload -> a JWS; ORDER is the order of
//                                 the header's members, such as alg,jwk,kid,typ
//   jose.mjs key                  a new P-256 key as PKCS#8
//   jose.mjs public KEYFILE       its public key as PEM, by way of a JWK
//   jose.mjs kid KEYFILE          its thumbprint
//   jose.mjs seal JWK INFO AAD    a text -> enc and ciphertext
//   jose.mjs open KEYFILE INFO AAD   the reverse
//   jose.mjs forge HOW            a JWS of ours -> a changed one
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import * as jose from "jose";
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { DhkemX25519HkdfSha256 } from "@hpke/dhkem-x25519";

const [command, ...args] = process.argv.slice(2);
const input = () => readFileSync(0);
const file = (path) => readFileSync(path, "utf8");
const say = (data) => process.stdout.write(data);
const need = (ok, what) => {
    if (!ok) throw new Error(what);
};
const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
});
const bytes = (text) => new TextEncoder().encode(text);
const buffer = (data) => new Uint8Array(data).slice().buffer;

async function publicJwk(path) {
    const key = await jose.importPKCS8(file(path), "ES256", {
        extractable: true,
    });
    const { crv, kty, x, y } = await jose.exportJWK(key);
    return { crv, kty, x, y };
}

const commands = {
    async verify() {
        const text = input().toString();
        const { payload, protectedHeader } = await jose.compactVerify(
            text,
            jose.EmbeddedJWK,
            { algorithms: ["ES256"] },
        );
        const kid = await jose.calculateJwkThumbprint(protectedHeader.jwk);
        need(kid === protectedHeader.kid, "another thumbprint");
        need(Object.keys(protectedHeader).join() === "alg,jwk,kid,typ", "order");
        need(typeof protectedHeader.typ === "string", "typ");
        say(payload);
    },
    async sign(path, typ, order) {
        const jwk = await publicJwk(path);
        const kid = await jose.calculateJwkThumbprint(jwk);
        const all = { alg: "ES256", jwk, kid, typ };
        const header = {};
        for (const name of order.split(",")) header[name] = all[name];
        const key = await jose.importPKCS8(file(path), "ES256");
        say(
            await new jose.CompactSign(input())
                .setProtectedHeader(header)
                .sign(key),
        );
    },
    async key() {
        const { privateKey } = await jose.generateKeyPair("ES256", {
            extractable: true,
        });
        say(await jose.exportPKCS8(privateKey));
    },
    async public(path) {
        const key = createPrivateKey(file(path));
        const jwk = createPublicKey(key).export({ format: "jwk" });
        say(
            createPublicKey({ key: jwk, format: "jwk" }).export({
                type: "spki",
                format: "pem",
            }),
        );
    },
    async kid(path) {
        const key = createPrivateKey(file(path));
        const jwk = createPublicKey(key).export({ format: "jwk" });
        say(await jose.calculateJwkThumbprint(jwk));
    },
    async seal(path, info, aad) {
        const raw = Buffer.from(JSON.parse(file(path)).x, "base64url");
        const recipientPublicKey = await suite.kem.importKey(
            "raw",
            buffer(raw),
            true,
        );
        const sender = await suite.createSenderContext({
            recipientPublicKey,
            info: buffer(bytes(info)),
        });
        const ct = await sender.seal(buffer(input()), buffer(bytes(aad)));
        say(Buffer.concat([Buffer.from(sender.enc), Buffer.from(ct)]));
    },
    async open(path, info, aad) {
        const { d } = createPrivateKey(file(path)).export({ format: "jwk" });
        const recipientKey = await suite.kem.importKey(
            "raw",
            buffer(Buffer.from(d, "base64url")),
            false,
        );
        const sealed = input();
        const recipient = await suite.createRecipientContext({
            recipientKey,
            enc: buffer(sealed.subarray(0, 32)),
            info: buffer(bytes(info)),
        });
        say(
            Buffer.from(
                await recipient.open(
                    buffer(sealed.subarray(32)),
                    buffer(bytes(aad)),
                ),
            ),
        );
    },
    async forge(how) {
        const [header, payload, signature] = input().toString().split(".");
        const members = JSON.parse(Buffer.from(header, "base64url"));
        const again = (m) => Buffer.from(JSON.stringify(m)).toString("base64url");
        const changed = {
            none: () => again({ ...members, alg: "none" }) + `.${payload}.`,
            typ: () => again({ ...members, typ: "x" }) + `.${payload}.${signature}`,
            crit: () =>
                again({ ...members, crit: ["b64"], b64: true }) +
                `.${payload}.${signature}`,
            payload: () => `${header}.e30.${signature}`,
            newline: () => `${header}.${payload}.${signature}\n`,
        };
        say(changed[how]());
    },
};

await commands[command](...args);
