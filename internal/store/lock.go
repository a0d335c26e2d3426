package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

// patience is how long Lock waits for somebody else, and glance how often it
// looks again.
const (
	patience = 2 * time.Second
	glance   = 20 * time.Millisecond
)

// Lock makes the caller the only one to work on a name, over all processes,
// until release is called or the process ends, however it ends: the kernel
// keeps the lock, and the file that it is on means nothing by itself. When
// somebody else keeps it for two seconds the error matches ErrBusy and names
// their process.
func (s *Store) Lock(ctx context.Context, name string) (release func(), err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	file, err := s.root.OpenFile(name+".lock", os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock the state of %s: %w", name, err)
	}
	if err := wait(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the state of %s in %s: %w", name, s.dir, err), file.Close())
	}
	sign(file, strconv.Itoa(os.Getpid())+"\n")
	s.sweep(name)
	return func() {
		sign(file, "")
		file.Close() // and with it the lock goes
	}, nil
}

// wait takes the lock as soon as it is free.
func wait(ctx context.Context, file *os.File) error {
	deadline := time.Now().Add(patience)
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if time.Now().After(deadline) {
			return busy(file)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(glance):
		}
	}
}

// sign writes who holds the lock into its file, for people: nothing depends on
// it, so an error is of no interest.
func sign(file *os.File, text string) {
	if file.Truncate(0) == nil {
		_, _ = file.WriteAt([]byte(text), 0)
	}
}

// busy names the process that holds the lock.
func busy(file *os.File) error {
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(file, 0, 32), 32))
	pid, bad := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || bad != nil {
		return ErrBusy
	}
	return fmt.Errorf("%w: process %d", ErrBusy, pid)
}
