/**
 * The types of typed events: how a map of event signatures becomes the types of `on`, `emit`, `timeout` and `emitWithAck`.
 *
 * Only types and one class without behaviour of its own: at run time everything here is Node's `EventEmitter`.
 */
import { EventEmitter } from "node:events";

/** A map from event names to the signatures of their listeners. */
export interface EventsMap {
  [event: string]: any;
}

/** The map that is assumed where none is given: any event, any arguments. */
export interface DefaultEventsMap {
  [event: string]: (...args: any[]) => void;
}

/** The names of a map's events. */
export type EventNames<Map extends EventsMap> = keyof Map & (string | symbol);

/** The arguments of one event. */
export type EventParams<Map extends EventsMap, Name extends EventNames<Map>> = Parameters<Map[Name]>;

/** Names that may be listened to: the library's own and the user's. */
export type ListenableNames<Own extends EventsMap, User extends EventsMap> = EventNames<Own> | EventNames<User>;

/** The listener of an event; the library's own events take precedence over the user's. */
export type ListenerOf<Own extends EventsMap, User extends EventsMap, Name extends ListenableNames<Own, User>> =
  Name extends EventNames<Own> ? Own[Name] : Name extends EventNames<User> ? User[Name] : (...args: any[]) => void;

/** The last of a list of arguments: where an ack stands. */
export type Last<Args extends any[]> = Args extends [...any[], infer Final] ? Final : any;

/** A list of arguments without its last. */
export type AllButLast<Args extends any[]> = Args extends [...infer Rest, any] ? Rest : any[];

/** The first argument of an ack that is no error: what a promise of the answer resolves with. */
export type FirstAnswer<Ack> = Ack extends (...args: infer Args) => any
  ? Args extends [Error, infer Answer, ...any[]]
    ? Answer
    : Args extends [infer Answer, ...any[]]
      ? Answer
      : undefined
  : any;

/** Names of the events whose last argument is a function. */
export type EventNamesWithAck<Map extends EventsMap, Name extends EventNames<Map> = EventNames<Map>> = {
  [N in Name]: IsAny<Last<Parameters<Map[N]>>> extends true
    ? N
    : Last<Parameters<Map[N]>> extends (...args: any[]) => any
      ? N
      : never;
}[Name];

/** Names of the events that ask for no answer. A broadcast's answer comes only with a `timeout()`. */
export type EventNamesWithoutAck<Map extends EventsMap, Name extends EventNames<Map> = EventNames<Map>> = {
  [N in Name]: IsAny<Last<Parameters<Map[N]>>> extends true
    ? N
    : Last<Parameters<Map[N]>> extends (...args: any[]) => any
      ? never
      : N;
}[Name];

/** After `timeout()`: the ack of every event has an error for its first argument. */
export type DecorateAcks<Map extends EventsMap> = {
  [Name in keyof Map]: Map[Name] extends (...args: infer Args) => infer Result
    ? (...args: EachAck<Args>) => Result
    : Map[Name];
};

/** After `timeout()` of a broadcast: an error, then one answer per client. */
export type DecorateAcksOfMany<Map extends EventsMap> = {
  [Name in keyof Map]: Map[Name] extends (...args: infer Args) => infer Result
    ? (...args: EachAckOfMany<Args>) => Result
    : Map[Name];
};

/** A broadcast without `timeout()`, as its operator types it: one answer per client. */
export type DecorateAnswersOfMany<Map extends EventsMap> = {
  [Name in keyof Map]: Map[Name] extends (...args: infer Args) => infer Result
    ? (...args: EachAnswerOfMany<Args>) => Result
    : Map[Name];
};

type IsAny<T> = 0 extends 1 & T ? true : false;

type EachAck<Args extends any[]> = {
  [I in keyof Args]: Args[I] extends (...args: infer Answer) => infer Result
    ? (error: Error, ...args: Answer) => Result
    : Args[I];
};

type EachAckOfMany<Args extends any[]> = {
  [I in keyof Args]: Args[I] extends (...args: infer Answer) => infer Result
    ? (error: Error, answers: AnswersOf<Answer>) => Result
    : Args[I];
};

type EachAnswerOfMany<Args extends any[]> = {
  [I in keyof Args]: Args[I] extends (error: Error, answer: infer Answer) => infer Result
    ? (error: Error, answers: Answer[]) => Result
    : Args[I];
};

type AnswersOf<Answer extends any[]> = Answer extends [infer First, ...any[]] ? First[] : any[];

/**
 * Node's `EventEmitter` with typed listeners. `emit` is another matter in each class: it sends.
 *
 * @typeParam Listen - events that are received
 * @typeParam Own - events of the library
 */
export abstract class TypedEmitter<Listen extends EventsMap, Own extends EventsMap> extends EventEmitter {}

// Declared, not written: a method here would be one more call on the way of every `on`.
export interface TypedEmitter<Listen extends EventsMap, Own extends EventsMap> {
  /** Adds a listener. */
  on<Name extends ListenableNames<Own, Listen>>(event: Name, listener: ListenerOf<Own, Listen, Name>): this;
  /** Adds a listener that is called once. */
  once<Name extends ListenableNames<Own, Listen>>(event: Name, listener: ListenerOf<Own, Listen, Name>): this;
  /** The listeners of an event. */
  listeners<Name extends ListenableNames<Own, Listen>>(event: Name): ListenerOf<Own, Listen, Name>[];
}

/** Calls the listeners themselves, in classes where `emit` sends. @internal */
export const callListeners = EventEmitter.prototype.emit as (
  this: EventEmitter,
  event: string | symbol,
  ...args: any[]
) => boolean;
