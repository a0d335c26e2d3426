package generate

import "context"

// chunk is a run of files that one worker takes at a time, and what it made of
// them.
type chunk struct {
	entries []entry
	text    []byte
	pieces  []piece
	notes   []note
	done    chan struct{} // has a value when a worker is through with it
}

// piece is a part of the text that is printed, or left out when the same has
// been printed before.
type piece struct {
	end int // in the chunk's text; it begins where the one before ends
	sum sum
}

// sum stands for a text, so that memory stays small: two 64-bit hashes with
// random seeds. The zero sum is that of no text.
type sum [2]uint64

// note is something to tell about a file.
type note struct {
	path   string
	text   string // a warning
	err    error  // why it has no records
	passed bool   // a file in a folder that is none of our business
}

// chunkSize is small enough for two workers to share a hundred files, and
// large enough for the work to be more than the handing over.
const chunkSize = 32

// queue leads chunks from the lister to the workers and on to the writer, who
// gets them in their order. It bounds how many are on the way.
type queue struct {
	ctx     context.Context
	workers int
	jobs    chan *chunk
	ordered chan *chunk
	free    chan *chunk
	current *chunk // that the lister fills
}

func newQueue(ctx context.Context, workers int) *queue {
	waiting := 4 * workers
	return &queue{
		ctx: ctx, workers: workers,
		jobs: make(chan *chunk, waiting), ordered: make(chan *chunk, waiting), free: make(chan *chunk, waiting),
	}
}

// add appends a file. It fails when the batch is over.
func (q *queue) add(e entry) error {
	c := q.filling()
	c.entries = append(c.entries, e)
	if len(c.entries) < chunkSize {
		return nil
	}
	return q.flush()
}

// fail notes that something could not be listed.
func (q *queue) fail(path string, err error) error {
	c := q.filling()
	c.entries = append(c.entries, entry{name: path, err: err})
	return nil
}

func (q *queue) filling() *chunk {
	if q.current == nil {
		select {
		case q.current = <-q.free:
		default:
			q.current = &chunk{done: make(chan struct{}, 1)}
		}
	}
	return q.current
}

// flush hands the current chunk over.
func (q *queue) flush() error {
	c := q.current
	if c == nil {
		return nil
	}
	q.current = nil
	for _, to := range []chan *chunk{q.ordered, q.jobs} {
		select {
		case to <- c:
		case <-q.ctx.Done():
			c.release()
			return q.ctx.Err()
		}
	}
	return nil
}

// close is called by the lister when there is nothing more.
func (q *queue) close() {
	_ = q.flush() // only fails when nobody listens any more
	close(q.jobs)
	close(q.ordered)
}

// reuse takes back a chunk that has been written.
func (q *queue) reuse(c *chunk) {
	*c = chunk{entries: c.entries[:0], text: c.text[:0], pieces: c.pieces[:0], notes: c.notes[:0], done: c.done}
	select {
	case q.free <- c:
	default:
	}
}

// release closes the folders of files that nobody will read.
func (c *chunk) release() {
	for _, e := range c.entries {
		e.folder.release()
	}
}
