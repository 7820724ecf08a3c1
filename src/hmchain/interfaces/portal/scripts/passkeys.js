// A passkey is added: the browser's authenticator makes it, bound to this portal's address.

import { api, onSent, say } from "./dom.js";
import { KeyError } from "./keyring.js";

/** @param {HTMLElement} page */
export function start(page) {
  onSent(page.querySelector("#add-passkey"), async () => {
    const name = page.querySelector("#passkey-name").value.trim();
    const options = PublicKeyCredential.parseCreationOptionsFromJSON(await api("POST", "/v1/passkeys/options"));
    const made = await navigator.credentials.create({ publicKey: options }).catch(() => null);
    if (!made) throw new KeyError("noPasskey");
    await api("POST", "/v1/passkeys", { name, answer: made.toJSON() });
    location.reload();
    return say("passkeyAdded");
  });
}
