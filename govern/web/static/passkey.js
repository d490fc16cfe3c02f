// Makes a passkey, or has one sign, when a form with data-passkey is sent; then sends the form.
// The server's options stand in data-options; binary values are base64url in both directions.
"use strict";
const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const listed = (items) => (items || []).map((item) => ({ ...item, id: bytes(item.id) }));

async function create(options) {
  const made = await navigator.credentials.create({ publicKey: {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: listed(options.excludeCredentials),
  } });
  return { id: made.id, rawId: text(made.rawId), type: made.type, response: {
    clientDataJSON: text(made.response.clientDataJSON),
    attestationObject: text(made.response.attestationObject),
  } };
}

async function get(options) {
  const found = await navigator.credentials.get({ publicKey: {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: listed(options.allowCredentials),
  } });
  return { id: found.id, response: {
    clientDataJSON: text(found.response.clientDataJSON),
    authenticatorData: text(found.response.authenticatorData),
    signature: text(found.response.signature),
  } };
}

const SAID = {
  NotAllowedError: "Nothing was signed: the prompt was closed, took too long, or your passkey is not here.",
  InvalidStateError: "This device has a passkey for this page already.",
  SecurityError: "The browser does not allow passkeys on this address.",
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const said = form.querySelector("[role=alert]");
  if (!window.PublicKeyCredential) {
    said.textContent = "This browser has no passkeys.";
    continue;
  }
  form.querySelector("button").disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "";
    try {
      const options = JSON.parse(form.dataset.options);
      const answer = await (form.dataset.passkey === "create" ? create : get)(options);
      form.elements.answer.value = JSON.stringify(answer);
      form.submit();
    } catch (error) {
      said.textContent = SAID[error.name] || `The passkey could not be used: ${error.message}`;
    }
  });
}
