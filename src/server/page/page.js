  const main = document.querySelector("main");
  const layout = main.className;
  const page = new URLSearchParams(location.search);
  // The number by which the server knows the streams of this page.
  const mark = Math.floor(Math.random() * 2 ** 53);
  // A token that opened this page opens what it shows.
  const token = page.has("token") ? { token: page.get("token") } : {};
  const opened = (path, query) => path + "?" + new URLSearchParams({ ...query, ...token });
  // By HTTP/2 any number of streams goes; the server may not know it behind another that speaks it.
  const manyGo = "many" in main.dataset || /^h[23]/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "");
  // Browsers open six connections to a server by HTTP/1, for all their windows. Streams may take four of them, two are left
  // for single pictures and the figures.
  const STREAMS = 4;
  // Seconds before what does not come is asked for again.
  const PATIENCE = 4;
  // Milliseconds for which a page whose figures did not come takes no stream.
  const SHORT = 60000;

  class Cell {
    constructor(element) {
      this.element = element;
      this.open = element.querySelector(".open");
      this.folder = element.dataset.folder;
      this.alt = "Live picture of " + element.dataset.name;
      this.mode = "nothing";
      this.picture = this.next = null;
      this.pictures = -1;
      this.pause = PATIENCE;
      this.waited = this.watched = 0;
      this.failed = false;
      if (layout === "wall") {
        this.open.onclick = () => enlarge(this.isAlone() ? null : this);
        this.label();
      }
    }

    isAlone() {
      return this.element.classList.contains("alone");
    }

    label() {
      this.open.setAttribute("aria-label", (this.isAlone() ? "Reduce " : "Enlarge ") + this.element.dataset.name);
    }

    show(name, text) {
      this.element.querySelector("." + name).textContent = text;
    }

    state(text, kind) {
      const state = this.element.querySelector(".state");
      if (state.textContent !== text) state.textContent = text;
      state.className = "state " + kind;
    }

    // Shows a "stream", a "snapshot" every second, or "nothing" new.
    use(mode) {
      if (mode === this.mode) return;
      const had = this.mode;
      this.mode = mode;
      this.drop(this.next);
      this.next = null;
      if (had === "stream") this.freeze();
      this.pictures = -1;
      this.pause = PATIENCE;
      if (mode === "stream") this.load();
    }

    // The picture that is there stays until another one is: a stream that cannot be had is no reason to lose it.
    load() {
      this.drop(this.next);
      this.waited = this.watched = 0;
      const next = this.next = new Image();
      next.onload = () => {
        // WebKit takes a stream without pictures for one that came.
        if (!next.naturalWidth) return next.onerror();
        // Some browsers tell of each picture of a stream.
        next.onload = next.onerror = null;
        this.drop(this.picture);
        this.picture = next;
        this.next = null;
        this.failed = false;
        next.alt = this.alt;
      };
      next.onerror = () => {
        this.drop(next);
        this.next = null;
        this.failed = true;
        this.pictures = -1;
        this.pause = PATIENCE;
      };
      this.open.append(next);
      next.src = this.address();
    }

    address() {
      const again = { again: Date.now() };
      if (this.mode === "snapshot") return opened(this.folder + "snapshot", again);
      // The page of a stream has the stream's own address.
      return layout === "bare" ? opened("", { ...Object.fromEntries(page), mark, ...again })
        : opened(this.folder + "stream", { mark, ...again });
    }

    // Without its address a stream lets go of its connection at once.
    drop(image) {
      if (!image) return;
      image.onload = image.onerror = null;
      image.removeAttribute("src");
      image.remove();
    }

    // Leaves the picture of a stream, no larger than it is shown, and gives its connection to others.
    freeze() {
      const stream = this.picture;
      if (!stream) return;
      const still = document.createElement("canvas");
      const { naturalWidth, naturalHeight, clientWidth } = stream;
      const scale = Math.min(1, clientWidth * devicePixelRatio / naturalWidth);
      still.width = Math.ceil(naturalWidth * scale);
      still.height = Math.ceil(naturalHeight * scale);
      still.setAttribute("role", "img");
      still.setAttribute("aria-label", this.alt);
      still.getContext("2d").drawImage(stream, 0, 0, still.width, still.height);
      stream.after(still);
      this.drop(stream);
      this.picture = still;
    }

    // Asks again for what has ended or did not come, and for the next single picture.
    ask(camera) {
      const isNew = camera.pictures !== this.pictures || !this.picture;
      this.waited += 1;
      if (this.mode === "snapshot" && camera.age !== null && isNew && (!this.next || this.waited > PATIENCE)) {
        this.load();
        this.pictures = camera.pictures;
      } else if (this.mode === "stream" && camera.watched) {
        this.watched += 1;
        this.pictures = camera.pictures;
        if (this.watched > 10) this.pause = PATIENCE;
      } else if (this.mode === "stream" && isNew && this.waited > this.pause) {
        this.load();
        this.pictures = camera.pictures;
        // Behind a balancer of load it may be another server that says so.
        this.pause = Math.min(2 * this.pause, 60);
      }
    }

    update(camera) {
      this.ask(camera);
      const { rate, age, width, height, viewers, watched } = camera;
      this.show("rate", rate.toFixed(1) + "/s");
      this.show("age", age === null ? "–" : age < 10 ? Math.round(age * 1000) + " ms" : Math.round(age) + " s");
      this.show("size", width === null ? "–" : width + " × " + height);
      this.show("viewers", viewers);
      if (age === null) this.state("No picture yet", "dead");
      else if (age > 5) this.state("No new picture", "dead");
      else if (this.mode === "stream" ? !watched : this.failed || !this.picture) {
        if (this.failed || this.waited > 1) this.state("No connection for it, trying again", "dead");
        else this.state("Connecting…", "");
      } else this.state(this.mode === "stream" ? "Live" : "A picture a second", "live");
    }

    lose(text) {
      for (const name of ["rate", "age", "size", "viewers"]) this.show(name, "–");
      this.state(text, "dead");
    }
  }

  const cells = [...document.querySelectorAll(".cell")].map(element => new Cell(element));

  function enlarge(chosen) {
    for (const cell of cells) {
      cell.element.classList.toggle("alone", cell === chosen);
      cell.element.inert = chosen !== null && cell !== chosen;
      cell.label();
    }
    share();
  }
  addEventListener("keydown", event => {
    if (event.key === "Escape" && layout === "wall") enlarge(null);
  });

  // Other windows that show pages of this server, by their marks, and when they last said so.
  const others = new Map();
  const windows = new BroadcastChannel("mjpegserversink");
  const tell = () => windows.postMessage({ mark, isHere: !document.hidden });
  windows.onmessage = ({ data }) => {
    const isKnown = others.has(data.mark);
    if (data.isHere) others.set(data.mark, Date.now());
    else others.delete(data.mark);
    if (data.isHere && !isKnown) tell();
    share();
  };

  let isRefused = false;
  // How often in a row there was no answer.
  let failures = 0;
  // Until when connections are taken to be short: by other things than our pages, of which we know.
  let shortUntil = 0;

  // How many streams this page may have.
  function room() {
    if (manyGo) return Infinity;
    if (Date.now() < shortUntil) return 0;
    return Math.floor(STREAMS / (1 + others.size));
  }

  // Gives the connections to the cells, to the enlarged one first. A page that nobody sees needs none.
  function share() {
    let left = room();
    for (const cell of [...cells].sort((a, b) => b.isAlone() - a.isAlone())) {
      cell.use(document.hidden || isRefused ? "nothing" : left-- > 0 ? "stream" : "snapshot");
    }
  }

  // Why there are no figures: a text for people.
  class Lost extends Error {}

  async function status() {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), 3000);
    try {
      const answer = await fetch(opened("status", { clients: 0, mark }), { cache: "no-store", signal: limit.signal });
      if (answer.status === 401) isRefused = true;
      if (isRefused) throw new Lost("Token or password no longer right: open the page anew");
      if (!answer.ok) throw new Lost("Error " + answer.status + ", trying again");
      return (await answer.json()).cameras;
    } catch (error) {
      throw error instanceof Lost ? error : limit.signal.aborted ? null : new Lost("Connection lost, trying again");
    } finally {
      clearTimeout(timer);
    }
  }

  function update(all) {
    const cameras = new Map(all.map(camera => [camera.mount, camera]));
    const isThere = cells.every(cell => cameras.has(cell.element.dataset.mount));
    if (layout === "bare" && !isThere) throw new Lost("Not served now, trying again");
    if (layout !== "bare" && !(isThere && cameras.size === cells.length)) return location.reload();
    for (const cell of cells) cell.update(cameras.get(cell.element.dataset.mount));
  }

  let isAsking = false;
  async function refresh() {
    if (isAsking || isRefused || document.hidden) return;
    isAsking = true;
    try {
      update(await status());
      // It was the server or the way to it.
      if (failures > 1) shortUntil = 0;
      failures = 0;
    } catch (lost) {
      failures += 1;
      // No answer at all may come of connections that others have taken all: first give ours to the figures.
      if (!lost && failures === 1) shortUntil = Date.now() + SHORT;
      else for (const cell of cells) cell.lose(lost?.message ?? "No answer, trying again");
    }
    isAsking = false;
    for (const [other, heard] of others) if (Date.now() - heard > 5000) others.delete(other);
    tell();
    share();
  }

  document.onvisibilitychange = () => {
    tell();
    share();
    refresh();
  };
  setInterval(refresh, 1000);
  tell();
  share();
  refresh();
