// Package e2e runs the program itself on real servers: it carries real
// certificates through rollovers of a real signed zone, in front of a real
// mail server, while a real DANE sender delivers all the time. Its tests need
// root and the programs of package lab: go test -tags lab.
package e2e
