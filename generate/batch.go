package generate

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// Batch makes the records of many files. It works on all processors, holds a
// bounded number of files at a time, and writes in the order of the paths,
// each line once.
type Batch struct {
	Options
	Format  Format // empty: Zone
	TTL     uint32 // seconds; what the records get where the form has a TTL
	MaxSize int64  // bytes of the largest file that is read; 0: DefaultMaxSize
	Folders bool   // read the files of folders, and of folders in them

	// Key holds keys that must belong to the certificates of every file; nil: none.
	Key *Source

	In io.Reader // what the path "-" is read from

	// Warn and Fail are told, in order, what is odd about a file and why there
	// are no records of it. The path is empty where it is about all files. Nil:
	// nobody wants to know.
	Warn func(path, text string)
	Fail func(path string, err error)
}

// Run writes the records of the files to out. Files that have none are given
// to Fail and counted; the others are written all the same. The error is about
// the options, the key, ctx or out.
func (b *Batch) Run(ctx context.Context, out io.Writer, paths []string) (failed int, err error) {
	w, err := b.prepare()
	if err != nil {
		return 0, err
	}
	for _, text := range w.order.warnings {
		b.warn("", text)
	}
	p := newPrinter(out, w.format)
	if len(paths) <= chunkSize && !b.Folders {
		queue := newQueue(ctx, 1)
		b.list(queue, paths)
		if len(paths) > 1 {
			w = w.clone()
		}
		w.run(queue)
		return b.write(queue, p)
	}
	return b.parallel(ctx, w, p, paths)
}

// parallel is Run with a goroutine for each part of the work. For a handful of
// files, starting the threads would take longer than the work.
func (b *Batch) parallel(ctx context.Context, w *worker, p *printer, paths []string) (failed int, err error) {
	ctx, stop := context.WithCancel(ctx)
	queue := newQueue(ctx, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	all.Go(func() { b.list(queue, paths) })
	for range queue.workers {
		all.Go(func() { w.clone().run(queue) })
	}
	failed, err = b.write(queue, p)
	stop()
	all.Wait()
	return failed, err
}

// prepare checks once what holds for all files.
func (b *Batch) prepare() (*worker, error) {
	w := &worker{format: b.Format, ttl: b.TTL, in: b.In, key: b.Key, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	if w.format == "" {
		w.format = Zone
	}
	w.reader.limit = b.MaxSize
	if w.reader.limit == 0 {
		w.reader.limit = DefaultMaxSize
	}
	var err error
	w.order, err = b.Options.check()
	return w, err
}

// write writes what the workers made, in order, and reports what they noted.
func (b *Batch) write(queue *queue, p *printer) (failed int, err error) {
	r := &report{batch: b}
	for c := range queue.ordered {
		select {
		case <-c.done:
		case <-queue.ctx.Done():
			return r.failed, queue.ctx.Err()
		}
		if err := p.print(c); err != nil {
			return r.failed, err
		}
		for _, n := range c.notes {
			r.add(n)
		}
		queue.reuse(c)
	}
	if queue.ctx.Err() != nil {
		return r.failed, queue.ctx.Err()
	}
	r.close()
	if b.Folders && p.count == 0 && r.failed == 0 {
		b.warn("", "no certificate of a server was found")
	}
	return r.failed, p.close()
}

// list puts all files into the queue.
func (b *Batch) list(queue *queue, paths []string) {
	defer queue.close()
	failed := func(path string, err error) error { return queue.fail(path, err) }
	for _, path := range paths {
		var err error
		if b.Folders && path != Stdin && isFolder(path) {
			var f *folder
			if f, err = openFolder(unix.AT_FDCWD, path, path, 0); err != nil {
				err = failed(path, err)
			} else {
				err = f.walk(queue.add, failed)
			}
		} else {
			err = queue.add(entry{name: path})
		}
		if err != nil {
			return // the batch is over
		}
	}
}

func (b *Batch) warn(path, text string) {
	if b.Warn != nil {
		b.Warn(path, text)
	}
}

func (b *Batch) fail(path string, err error) {
	if b.Fail != nil {
		b.Fail(path, err)
	}
}

// report tells notes to whoever runs the batch.
type report struct {
	batch  *Batch
	failed int
	passed int
	named  []string // some of those passed over
}

// maxNamed is how many of the files passed over are named.
const maxNamed = 3

func (r *report) add(n note) {
	switch {
	case n.passed:
		if r.passed++; len(r.named) < maxNamed {
			r.named = append(r.named, n.path)
		}
	case n.err != nil:
		r.failed++
		r.batch.fail(n.path, n.err)
	default:
		r.batch.warn(n.path, n.text)
	}
}

// close sums up what was passed over: folders have keys, chains and texts
// beside the certificates, and nobody wants a line for each.
func (r *report) close() {
	if r.passed == 0 {
		return
	}
	names := strings.Join(r.named, ", ")
	if r.passed > len(r.named) {
		names += " and others"
	}
	r.batch.warn("", fmt.Sprintf("files passed over because they hold no server's certificate: %d (%s)", r.passed, names))
}

// Print writes the records of one source that has been read already, in the
// form of the batch. The name stands for the file.
func (b *Batch) Print(out io.Writer, name string, source *Source) error {
	w, err := b.prepare()
	if err != nil {
		return err
	}
	result, err := source.records(w.order)
	if err == nil {
		err = w.checkOwners(&result)
	}
	if err != nil {
		return err
	}
	for _, text := range append(w.order.warnings, result.Warnings...) {
		b.warn(name, text)
	}
	c := &chunk{}
	w.print(c, entry{name: name}, result)
	p := newPrinter(out, w.format)
	if err := p.print(c); err != nil {
		return err
	}
	return p.close()
}
