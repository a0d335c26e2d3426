// Package generate makes TLSA records of certificates.
//
// A mail server that does DANE publishes, under the name of its port, what a
// sender will find when it connects: a hash of the server's public key
// ("3 1 1"), or of the key of a CA above it ("2 1 1"). The records of a file
// follow from the file alone:
//
//	source, err := generate.Read("fullchain.pem")
//	result, err := source.Records(generate.Options{})
//
// What is hashed are bytes as they stand in the certificate (RFC 6698, Section
// 2.1.2). Nothing is decoded and encoded again, because the second encoding of
// a key need not be the first one, and certificates are walked rather than
// parsed, so that keys and serial numbers that crypto/x509 refuses are no
// obstacle.
//
// The leaf is found by who issued whom, not by its place in the file, and only
// CAs above a leaf get records: one that merely lies in the same file would
// never match. A file with a damaged part has no records at all.
//
// Batch does this for whole folders, as fast as they can be read.
package generate
