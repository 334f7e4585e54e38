// The page. The same for every language: it knows the events, not who serves them.
import { io } from "./vendor/socket.io.js";

const $ = (id) => document.getElementById(id);
const LANGUAGES = ["Node", "Python", "Rust"]; // on three ports in a row, in this order
const NAMES = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Dennis"];
const LARGEST = 700_000; // bytes of an image, below the server's limit for a message; a larger one is made smaller

const me = {}; // name and room, once joined; sent with every CONNECT, so that a reconnect finds its room again
const socket = io({ auth: (give) => give(me) });

// --- The connection

socket.on("connect", () => {
  document.documentElement.dataset.connected = "";
  $("status").textContent = "connected";
  show(socket.io.engine.transport);
  socket.io.engine.on("upgrade", show);
});

socket.on("disconnect", (reason) => {
  delete document.documentElement.dataset.connected;
  $("status").textContent = socket.active ? "reconnecting" : `disconnected: ${reason}`;
  show({ name: "none" });
  people.typing.clear();
  showTyping();
});

socket.io.on("reconnect_attempt", (attempt) => ($("status").textContent = `reconnecting, try ${attempt}`));

socket.on("welcome", ({ language }) => {
  document.documentElement.dataset.language = language;
  document.title = `ferrio chat · ${language}`;
  $("language").textContent = language;
  const first = Number(location.port) - LANGUAGES.indexOf(language);
  for (const link of document.querySelectorAll("nav a")) {
    link.href = `http://${location.hostname}:${first + LANGUAGES.indexOf(link.dataset.language)}/`;
    link.toggleAttribute("aria-current", link.dataset.language === language);
  }
});

function show({ name }) {
  $("transport").textContent = name;
  $("transport").dataset.name = name;
}

// --- Rooms and people

const people = { here: [], typing: new Set() };

$("name").value = NAMES[Math.floor(Math.random() * NAMES.length)];

$("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  const who = { name: $("name").value.trim(), room: $("room").value.trim() };
  if (!who.name || !who.room) return;
  socket.emit("enter", who, () => entered(who));
});

function entered(who) {
  if (who.room !== me.room) $("messages").replaceChildren();
  Object.assign(me, who);
  $("title").textContent = me.room;
  $("join").textContent = "Switch";
  $("text").placeholder = `Message #${me.room}`;
  $("text").disabled = $("send").disabled = false;
  $("text").focus();
  showPeople();
}

socket.on("users", (names) => {
  people.here = names;
  people.typing = new Set([...people.typing].filter((name) => names.includes(name)));
  showPeople();
  showTyping();
});

socket.on("typing", ({ name, typing }) => {
  typing ? people.typing.add(name) : people.typing.delete(name);
  showTyping();
});

function showPeople() {
  $("count").textContent = people.here.length === 1 ? "1 person" : `${people.here.length} people`;
  $("users").replaceChildren(
    ...people.here.map((name) => element("li", { className: name === me.name ? "me" : "" }, face(name), name)),
  );
}

function showTyping() {
  const names = [...people.typing];
  $("typing").textContent = names.length === 0 ? "" : `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing`;
}

// --- What is said

socket.on("message", ({ name, text }) => add(name, element("div", { className: "said" }, text)));

socket.on("image", ({ name, type, data }) => {
  const picture = element("img", { src: URL.createObjectURL(new Blob([data], { type })), alt: `An image from ${name}` });
  picture.addEventListener("load", toEnd);
  add(name, element("div", { className: "said picture" }, picture));
});

function add(name, said) {
  const first = $("messages").lastElementChild?.dataset.name !== name;
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const item = element("li", { className: `${first ? "first" : ""} ${name === me.name ? "mine" : ""}` });
  item.dataset.name = name;
  if (first) item.append(element("div", { className: "by" }, element("b", {}, name), time));
  item.append(face(name), said);
  $("messages").append(item);
  toEnd();
}

function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

// --- What we say

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  socket.emit("message", text);
  $("text").value = "";
  tell(false);
});

let told = false;
let pause;
$("text").addEventListener("input", () => tell($("text").value !== ""));

function tell(typing) {
  clearTimeout(pause);
  if (typing) pause = setTimeout(tell, 2000, false);
  if (typing !== told) socket.emit("typing", (told = typing));
}

$("image").addEventListener("change", () => {
  for (const file of $("image").files) sendImage(file);
  $("image").value = "";
});

document.addEventListener("paste", ({ clipboardData }) => [...clipboardData.files].forEach(sendImage));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", kind === "dragover");
    if (kind === "drop") [...event.dataTransfer.files].forEach(sendImage);
  });
}

async function sendImage(file) {
  if (!me.room || !file.type.startsWith("image/")) return;
  const image = file.size > LARGEST ? await smaller(file) : file;
  socket.emit("image", { type: image.type, data: await image.arrayBuffer() });
}

async function smaller(file) {
  const picture = await createImageBitmap(file);
  for (let side = 1600; ; side *= 0.7) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    const canvas = element("canvas", { width: picture.width * scale, height: picture.height * scale });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const made = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
    if (made.size <= LARGEST) return made;
  }
}

// --- Small helpers

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function face(name) {
  const circle = element("span", { className: "face", ariaHidden: "true" });
  circle.dataset.initial = [...name][0].toUpperCase();
  circle.style.setProperty("--hue", [...name].reduce((sum, letter) => sum + letter.codePointAt(0) * 47, 0) % 360);
  return circle;
}
