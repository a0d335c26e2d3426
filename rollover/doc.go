// Package rollover decides how a mail server gets a new key without any DANE
// sender noticing, and carries that out.
//
// A rollover is not a script with sleeps in it. It is a reconciliation of
// three things: what senders may still believe (the memory of every version of
// a TLSA RRset that was served, with its TTL and the last moment at which any
// name server may have served it), what is true now (what every authoritative
// server answers, what the DNS provider lists, what every address of the mail
// server presents, which certificates are on disk), and what is wanted. Next
// looks at the three and names one step; Runner measures, asks, saves, does
// the step, and measures again.
//
// The promise: at every instant, for every RRset that a server serves or a
// cache may hold, every endpoint presents a chain that it matches. A restart, a
// lost reply, a second timer or a renewal in the middle only makes Next be
// asked again, with other facts. There is no phase to get stuck in: the one
// that is shown is derived.
package rollover
