// express-session and passport: who has logged in over HTTP is known to the socket, and the session is the same object.
import { createServer } from "node:http";
import express from "express";
import session from "express-session";
import { Server } from "ferrio";
import passport from "passport";

const app = express();
const http = createServer(app);
const io = new Server(http);
const sessions = session({ secret: "change me", resave: false, saveUninitialized: false });

passport.serializeUser((user, done) => done(null, user.name));
passport.deserializeUser((name, done) => done(null, { name }));

app.use(sessions, passport.session());
app.post("/login/:name", (req, res, next) =>
  req.login({ name: req.params.name }, (error) => (error ? next(error) : res.sendStatus(204))));

// Middlewares of HTTP for the requests that open a session; later ones of the same client need them no more.
const onlyForHandshakes = (middleware) => (req, res, next) =>
  req._query.sid === undefined ? middleware(req, res, next) : next();
io.engine.use(onlyForHandshakes(sessions));
io.engine.use(onlyForHandshakes(passport.session()));
io.engine.use(onlyForHandshakes((req, res, next) => {
  if (req.user) return next();
  res.writeHead(401);
  res.end();
}));

io.on("connection", (socket) => {
  const { user, session } = socket.request;
  socket.join(`user:${user.name}`); // all connections of one person: io.to("user:ada").emit(…)
  socket.on("visits", (done) => {
    session.visits = (session.visits ?? 0) + 1;
    session.save(() => done(user.name, session.visits));
  });
});

http.listen(process.env.PORT ?? 3000, () => console.log("listening on %d", http.address().port));
