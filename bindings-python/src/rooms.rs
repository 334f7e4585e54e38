//! Who is meant by a target, and rooms: any hashable object names one here, a text in the engine.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferrio_embed::{Command, SocketId, Target};
use ferrio_protocol::Text;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::dispatch;
use crate::engine::{ServerCore, find, members_of, namespace_or_default};
use crate::ready::happened;
use crate::state::State;

/// Rooms that are no strings are known to the engine by texts that begin so; so are strings that begin with a zero byte.
const OBJECT_ROOM: &str = "\0o";
const ESCAPED_ROOM: &str = "\0s";

/// Whom an emit means.
pub(crate) enum Aim {
    Nobody,
    /// One client.
    One(SocketId),
    /// The union of rooms; no room is everybody.
    Rooms(Vec<Text>),
}

pub(crate) fn aim<'py>(slf: &Bound<'py, ServerCore>, room: Option<&Bound<'py, PyAny>>, nsp: &Text) -> PyResult<Aim> {
    let py = slf.py();
    let rooms = match room {
        None => Vec::new(),
        Some(room) if room.is_none() => Vec::new(),
        Some(room) => {
            if let Ok(name) = room.cast::<PyString>() {
                let name = name.to_str()?;
                if let Some(socket) = find(&mut slf.get().state.borrow(py), name, nsp) {
                    return Ok(Aim::One(socket));
                }
            }
            match rooms_of(slf, room)? {
                Some(rooms) if rooms.is_empty() => return Ok(Aim::Nobody),
                Some(rooms) => rooms,
                None => Vec::new(),
            }
        }
    };
    let mut state = slf.get().state.borrow(py);
    // Where clients come back, those who are away are meant too.
    if !state.population.contains_key(nsp.as_bytes()) && !slf.get().recovers.load(Ordering::Relaxed) {
        return Ok(Aim::Nobody);
    }
    if let [only] = rooms.as_slice()
        && let Some(socket) = find(&mut state, only, nsp)
    {
        return Ok(Aim::One(socket));
    }
    Ok(Aim::Rooms(rooms))
}

/// Sockets of a namespace whose connect handler runs. The engine does not count them as members yet; python-socketio does.
pub(crate) fn connecting(slf: &Bound<'_, ServerCore>, nsp: &Text) -> Vec<SocketId> {
    let mut state = slf.get().state.borrow(slf.py());
    let mut sockets = state.connecting.clone();
    sockets.retain(|socket| state.sockets.get(socket.0).is_some_and(|member| member.nsp_text == *nsp));
    sockets
}

/// Whether a socket is in one of these rooms right now, its own among them.
pub(crate) fn is_among(slf: &Bound<'_, ServerCore>, socket: SocketId, rooms: &[Text]) -> PyResult<bool> {
    let mut state = slf.get().state.borrow(slf.py());
    let own = state.sockets.get(socket.0).is_some_and(|member| rooms.contains(&member.sid_text));
    if own {
        return Ok(true);
    }
    state.flush();
    Ok(state.running()?.engine.rooms(socket).iter().any(|room| rooms.contains(room)))
}

/// The engine's names of a room, or of each room of a list. `None`: everybody is among them.
fn rooms_of<'py>(slf: &Bound<'py, ServerCore>, room: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Text>>> {
    let py = slf.py();
    // What has a length and is no string is a list of rooms, as in the original.
    if room.is_instance_of::<PyString>() || !room.hasattr(intern!(py, "__len__"))? {
        return Ok(Some(known_room(slf, room)?.into_iter().collect()));
    }
    let mut rooms = Vec::new();
    for room in room.try_iter()? {
        let room = room?;
        if room.is_none() {
            return Ok(None);
        }
        rooms.extend(known_room(slf, &room)?);
    }
    Ok(Some(rooms))
}

/// The rooms whose members are left out, sids among them; `None` if that is everybody.
///
/// What is no client's sid in `skip_sid`, a room for one, leaves out nobody there.
pub(crate) fn left_out<'py>(
    slf: &Bound<'py, ServerCore>,
    skip_sid: Option<&Bound<'py, PyAny>>,
    except: Option<&Bound<'py, PyAny>>,
    nsp: &Text,
) -> PyResult<Option<Vec<Text>>> {
    let mut rooms = match except {
        Some(except) if !except.is_none() => match rooms_of(slf, except)? {
            Some(rooms) => rooms,
            None => return Ok(None),
        },
        _ => Vec::new(),
    };
    let Some(skip_sid) = skip_sid.filter(|skip| !skip.is_none()) else { return Ok(Some(rooms)) };
    let mut leave_out = |sid: &Bound<'py, PyAny>| -> PyResult<()> {
        if member(slf, sid, nsp)?.is_some() {
            rooms.push(Text::from(sid.cast::<PyString>()?.to_str()?));
        }
        Ok(())
    };
    if skip_sid.is_instance_of::<PyString>() {
        leave_out(skip_sid)?;
    } else if let Ok(sids) = skip_sid.try_iter() {
        for sid in sids {
            leave_out(&sid?)?;
        }
    }
    Ok(Some(rooms))
}

// ---- rooms

pub(crate) fn enter_room<'py>(
    slf: &Bound<'py, ServerCore>,
    sid: &Bound<'py, PyAny>,
    room: &Bound<'py, PyAny>,
    namespace: Option<&Bound<'py, PyString>>,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let nsp = namespace_or_default(namespace)?;
    if !slf.get().state.borrow(py).population.contains_key(nsp.as_bytes()) {
        return Err(PyValueError::new_err("sid is not connected to requested namespace"));
    }
    let socket = member(slf, sid, &nsp)?;
    if is_sid(slf, room, &nsp)? && !room.eq(sid)? {
        return Err(PyValueError::new_err("cannot enter a sid room"));
    }
    let Some(socket) = socket else { return Err(PyKeyError::new_err(sid.clone().unbind())) };
    if !room.is_none() {
        let room = name_room(slf, room)?;
        dispatch::send(slf, Command::Join { socket, rooms: vec![room] }, 0)?;
    }
    happened(slf)
}

pub(crate) fn leave_room<'py>(
    slf: &Bound<'py, ServerCore>,
    sid: &Bound<'py, PyAny>,
    room: &Bound<'py, PyAny>,
    namespace: Option<&Bound<'py, PyString>>,
) -> PyResult<Py<PyAny>> {
    let nsp = namespace_or_default(namespace)?;
    if let Some(socket) = member(slf, sid, &nsp)?
        && let Some(room) = known_room(slf, room)?
    {
        dispatch::send(slf, Command::Leave { socket, room }, 0)?;
    }
    happened(slf)
}

pub(crate) fn close_room<'py>(
    slf: &Bound<'py, ServerCore>,
    room: &Bound<'py, PyAny>,
    namespace: Option<&Bound<'py, PyString>>,
) -> PyResult<Py<PyAny>> {
    let nsp = namespace_or_default(namespace)?;
    if is_sid(slf, room, &nsp)? {
        return Err(PyValueError::new_err("cannot close a sid room"));
    }
    if let Some(room) = known_room(slf, room)? {
        let target = Target::Rooms { nsp, rooms: vec![room.clone()], except: Vec::new() };
        for socket in members_of(slf, &target)? {
            dispatch::send(slf, Command::Leave { socket, room: room.clone() }, 0)?;
        }
    }
    happened(slf)
}

pub(crate) fn rooms<'py>(
    slf: &Bound<'py, ServerCore>,
    sid: &Bound<'py, PyAny>,
    namespace: Option<&Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyList>> {
    let py = slf.py();
    let nsp = namespace_or_default(namespace)?;
    let Some(socket) = member(slf, sid, &nsp)? else { return Ok(PyList::empty(py)) };
    let mut state = slf.get().state.borrow(py);
    state.flush();
    let names = state.running()?.engine.rooms(socket);
    let rooms: Vec<_> = names.iter().map(|name| room_object(py, &state, name)).collect();
    drop(state);
    PyList::new(py, rooms)
}

/// Lets everybody who is meant enter or leave rooms.
pub(crate) fn move_all<'py>(
    slf: &Bound<'py, ServerCore>,
    whom: &Whom<'_, 'py>,
    rooms: &Bound<'py, PyAny>,
    enter: bool,
) -> PyResult<Py<PyAny>> {
    let py = slf.py();
    let nsp = namespace_or_default(whom.namespace)?;
    let mut names = Vec::new();
    let mut name = |room: &Bound<'py, PyAny>| -> PyResult<()> {
        if is_sid(slf, room, &nsp)? {
            return Err(PyValueError::new_err("a client's own room is nobody's to enter or leave"));
        }
        names.extend(if enter { Some(name_room(slf, room)?) } else { known_room(slf, room)? });
        Ok(())
    };
    if rooms.is_instance_of::<PyString>() || !rooms.hasattr(intern!(py, "__len__"))? {
        name(rooms)?;
    } else {
        for room in rooms.try_iter()? {
            name(&room?)?;
        }
    }
    for socket in sockets(slf, whom)? {
        if enter {
            dispatch::send(slf, Command::Join { socket, rooms: names.clone() }, 0)?;
        } else {
            for room in &names {
                dispatch::send(slf, Command::Leave { socket, room: room.clone() }, 0)?;
            }
        }
    }
    happened(slf)
}

/// `[(sid, eio_sid)]` of everybody who is meant.
pub(crate) fn members<'py>(slf: &Bound<'py, ServerCore>, whom: &Whom<'_, 'py>) -> PyResult<Bound<'py, PyList>> {
    let py = slf.py();
    let sockets = sockets(slf, whom)?;
    let mut state = slf.get().state.borrow(py);
    let state = &mut *state;
    let mut pairs = Vec::with_capacity(sockets.len());
    for socket in sockets {
        if let Some(member) = state.sockets.get(socket.0)
            && let Some(connection) = state.connections.get(member.conn.0)
        {
            pairs.push((member.sid.clone_ref(py), connection.eio_sid.clone_ref(py)));
        }
    }
    PyList::new(py, pairs)
}

/// Some clients of a namespace.
pub(crate) struct Whom<'a, 'py> {
    pub(crate) namespace: Option<&'a Bound<'py, PyString>>,
    /// A sid, a room, or a list of them; nothing is everybody.
    pub(crate) to: Option<&'a Bound<'py, PyAny>>,
    /// A room or a list of rooms whose members are left out.
    pub(crate) except: Option<&'a Bound<'py, PyAny>>,
}

fn sockets<'py>(slf: &Bound<'py, ServerCore>, whom: &Whom<'_, 'py>) -> PyResult<Vec<SocketId>> {
    let nsp = namespace_or_default(whom.namespace)?;
    let aim = aim(slf, whom.to, &nsp)?;
    let Some(except) = left_out(slf, None, whom.except, &nsp)? else { return Ok(Vec::new()) };
    // Who is being asked is there too, as in the original.
    let early = match &aim {
        Aim::Nobody => return Ok(Vec::new()),
        Aim::One(socket) => vec![*socket],
        Aim::Rooms(rooms) if rooms.is_empty() => connecting(slf, &nsp),
        Aim::Rooms(_) => Vec::new(),
    };
    let mut sockets = match aim {
        Aim::Rooms(rooms) => members_of(slf, &Target::Rooms { nsp, rooms, except: except.clone() })?,
        Aim::Nobody | Aim::One(_) => Vec::new(),
    };
    for socket in early {
        if except.is_empty() || !is_among(slf, socket, &except)? {
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

fn member(slf: &Bound<'_, ServerCore>, sid: &Bound<'_, PyAny>, nsp: &Text) -> PyResult<Option<SocketId>> {
    let Ok(sid) = sid.cast::<PyString>() else { return Ok(None) };
    Ok(find(&mut slf.get().state.borrow(slf.py()), sid.to_str()?, nsp))
}

fn is_sid(slf: &Bound<'_, ServerCore>, room: &Bound<'_, PyAny>, nsp: &Text) -> PyResult<bool> {
    Ok(member(slf, room, nsp)?.is_some())
}

/// The engine's name of a room; `None` for an object that has never been a room's name.
fn known_room(slf: &Bound<'_, ServerCore>, room: &Bound<'_, PyAny>) -> PyResult<Option<Text>> {
    if let Ok(name) = room.cast::<PyString>() {
        return string_room(name).map(Some);
    }
    let rooms = match &slf.get().state.borrow(slf.py()).rooms {
        Some(rooms) => rooms.clone_ref(slf.py()),
        None => return Ok(None),
    };
    match rooms.bind(slf.py()).get_item(room)? {
        Some(name) => Ok(Some(Text::from(name.cast::<PyString>()?.to_str()?))),
        None => Ok(None),
    }
}

/// The engine's name of a room, a new one if need be.
fn name_room(slf: &Bound<'_, ServerCore>, room: &Bound<'_, PyAny>) -> PyResult<Text> {
    if let Some(name) = known_room(slf, room)? {
        return Ok(name);
    }
    let py = slf.py();
    forget_empty_rooms(slf)?;
    let (name, rooms) = {
        let fresh = PyDict::new(py).unbind();
        let mut state = slf.get().state.borrow(py);
        let name = format!("{OBJECT_ROOM}{}", state.number());
        (name, state.rooms.get_or_insert(fresh).clone_ref(py))
    };
    // Hashing an object is a call into Python.
    rooms.bind(py).set_item(room, &name)?;
    let name = Text::from(name);
    slf.get().state.borrow(py).room_objects.insert(name.as_bytes().clone(), room.clone().unbind());
    Ok(name)
}

/// Names are given once and nobody says when the last member has left, so that they are looked through as they double.
fn forget_empty_rooms(slf: &Bound<'_, ServerCore>) -> PyResult<()> {
    let py = slf.py();
    let forgotten = {
        let mut state = slf.get().state.borrow(py);
        if state.room_objects.len() < 1024 || !state.room_objects.len().is_power_of_two() {
            return Ok(());
        }
        state.flush();
        let engine = &state.running()?.engine;
        let alive: HashSet<Bytes> = state
            .population
            .keys()
            .flat_map(|nsp| engine.room_names(&String::from_utf8_lossy(nsp)))
            .map(Text::into_bytes)
            .collect();
        state.room_objects.extract_if(|name, _| !alive.contains(name)).map(|(_, room)| room).collect::<Vec<_>>()
    };
    let rooms = slf.get().state.borrow(py).rooms.as_ref().map(|rooms| rooms.clone_ref(py));
    let Some(rooms) = rooms else { return Ok(()) };
    forgotten.iter().try_for_each(|room| rooms.bind(py).del_item(room))
}

fn string_room(name: &Bound<'_, PyString>) -> PyResult<Text> {
    let name = name.to_str()?;
    Ok(if name.starts_with('\0') { Text::from(format!("{ESCAPED_ROOM}{name}")) } else { Text::from(name) })
}

fn room_object(py: Python<'_>, state: &State, name: &Text) -> Py<PyAny> {
    if let Some(room) = state.room_objects.get(name.as_bytes()) {
        return room.clone_ref(py);
    }
    PyString::new(py, name.strip_prefix(ESCAPED_ROOM).unwrap_or(name)).into_any().unbind()
}
