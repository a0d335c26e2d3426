package generate

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
)

// worker makes the records of files. Each goroutine has its own, with buffers
// and a cache of issuers that it keeps.
type worker struct {
	order  *order
	key    *Source
	format Format
	ttl    uint32
	in     io.Reader
	reader fileReader
	seeds  [2]maphash.Seed // of the sums of pieces
	parser parser
	maker  maker
}

// clone gives a worker with the same orders, and a cache and buffers of its own.
func (w *worker) clone() *worker {
	c := *w
	c.parser.cache = newIssuerCache()
	return &c
}

// run works until there is nothing more to do.
func (w *worker) run(q *queue) {
	for c := range q.jobs {
		for _, e := range c.entries {
			if q.ctx.Err() == nil {
				w.one(c, e)
			}
			e.folder.release()
		}
		c.done <- struct{}{}
	}
}

// one makes the records of one file.
func (w *worker) one(c *chunk, e entry) {
	result, err := w.records(e)
	switch {
	case err != nil && e.folder != nil && passable(err):
		c.notes = append(c.notes, note{path: e.path(), passed: true})
	case err != nil:
		c.notes = append(c.notes, note{path: e.path(), err: err})
	default:
		for _, text := range result.Warnings {
			c.notes = append(c.notes, note{path: e.path(), text: text})
		}
		w.print(c, e, result)
	}
}

// passable says whether a file in a folder may be left out: a folder has keys,
// README files and chains without a leaf beside the certificates. What is
// damaged is no such thing.
func passable(err error) bool {
	return errors.Is(err, ErrNothing) || errors.Is(err, ErrNoLeaf) || errors.Is(err, errFolder) || errors.Is(err, errOnlyKey)
}

// errOnlyKey is what a folder's files of keys alone give: their records belong
// to certificates yet to come, and to no known name.
var errOnlyKey = errors.New("no certificate, only a key")

func (w *worker) records(e entry) (Result, error) {
	data, err := w.read(e)
	if err != nil {
		return Result{}, err
	}
	source, err := w.parser.parse(data)
	if err != nil {
		return Result{}, err
	}
	switch {
	case e.folder == nil:
	case len(source.certs) == 0:
		return Result{}, errOnlyKey
	case len(source.leaves) == 0 && len(w.order.leaf) > 0:
		return Result{}, ErrNoLeaf
	}
	if w.key != nil {
		if err := source.CheckKey(w.key); err != nil {
			return Result{}, err
		}
	}
	result, err := w.maker.make(source, w.order)
	if err == nil {
		err = w.checkOwners(&result)
	}
	return result, err
}

func (w *worker) read(e entry) ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	if e.folder == nil && e.name == Stdin {
		return w.reader.readStream(w.in)
	}
	return w.reader.read(e)
}

// checkOwners deals with records for which no name is known.
func (w *worker) checkOwners(result *Result) error {
	for _, set := range result.Sets {
		switch {
		case set.Owner != "":
		case w.format == Nsupdate:
			return hinted(errors.New("no name for the records is known"), "name the servers with --host")
		case w.format == Zone || w.format == Generic:
			result.Warnings = append(result.Warnings, "no name for the records is known, this is their data alone: name the servers with --host")
		}
	}
	return nil
}

// print appends the text of the records to the chunk.
func (w *worker) print(c *chunk, e entry, result Result) {
	file := ""
	if w.format == JSON {
		file = e.path()
	}
	for _, set := range result.Sets {
		start := len(c.text)
		c.text = w.format.append(c.text, set, w.ttl, file, func(text []byte) {
			p := piece{end: len(text)}
			if w.format != JSON { // an object says which file it is about: there are no two alike
				p.sum = sum{maphash.Bytes(w.seeds[0], text[start:]), maphash.Bytes(w.seeds[1], text[start:])}
			}
			c.pieces = append(c.pieces, p)
			start = len(text)
		})
	}
}

// printer writes pieces, each once, and what a form has around them.
type printer struct {
	out    io.Writer
	format Format
	seen   map[sum]struct{}
	buffer bytes.Buffer
	count  int
}

func newPrinter(out io.Writer, format Format) *printer {
	return &printer{out: out, format: format, seen: map[sum]struct{}{}}
}

func (p *printer) print(c *chunk) error {
	p.buffer.Reset()
	start := 0
	for _, piece := range c.pieces {
		if p.first(piece.sum) {
			p.begin()
			p.buffer.Write(c.text[start:piece.end])
		}
		start = piece.end
	}
	return p.flush()
}

// first says whether a piece has not been printed before.
func (p *printer) first(s sum) bool {
	if s == (sum{}) {
		return true
	}
	before := len(p.seen)
	p.seen[s] = struct{}{}
	return len(p.seen) > before
}

// begin writes what comes before a piece.
func (p *printer) begin() {
	if p.format == JSON {
		if p.count == 0 {
			p.buffer.WriteString("[\n  ")
		} else {
			p.buffer.WriteString(",\n  ")
		}
	}
	p.count++
}

// close writes what comes after the last piece.
func (p *printer) close() error {
	p.buffer.Reset()
	switch {
	case p.format == JSON && p.count == 0:
		p.buffer.WriteString("[]\n")
	case p.format == JSON:
		p.buffer.WriteString("\n]\n")
	case p.format == Nsupdate && p.count > 0:
		p.buffer.WriteString("send\n")
	}
	return p.flush()
}

func (p *printer) flush() error {
	if p.buffer.Len() == 0 {
		return nil
	}
	_, err := p.out.Write(p.buffer.Bytes())
	return err
}
