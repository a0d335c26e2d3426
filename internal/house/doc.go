// Package house holds tests only: they keep the layout and the import
// directions of the project, its style where a program can judge it, and the
// documents that make claims about the source.
package house
