package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// A writer is the one connection that writes, with the statements prepared on it.
type writer struct {
	turn   chan struct{} // holds a token while nobody writes
	closed chan struct{}
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	synced bool // PRAGMA synchronous is FULL, not NORMAL
}

// sync sets how the next transaction is written.
func (w *writer) sync(ctx context.Context, durably bool) error {
	if w.synced == durably {
		return nil
	}
	mode := "NORMAL"
	if durably {
		mode = "FULL"
	}
	_, err := w.conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous = "+mode)
	w.synced = durably && err == nil
	return err
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{turn: make(chan struct{}, 1), closed: make(chan struct{}), conn: conn, stmts: map[string]*sql.Stmt{}}
	w.turn <- struct{}{}
	return w, nil
}

// close waits for the transaction that is running; nothing is written after it.
func (w *writer) close() error {
	<-w.turn
	close(w.closed)
	for _, st := range w.stmts {
		st.Close()
	}
	return w.conn.Close()
}

// A tx is one transaction that writes.
type tx struct {
	ctx context.Context
	row context.Context // for statements of a row or few: not watched, which would cost more than the statement
	w   *writer
	now int64 // the database's clock when the transaction began, Unix milliseconds
}

// write runs f in a transaction, and counts its commit. A killed process loses nothing of it. A machine that loses its power may lose the last transactions,
// never half of one: what they said is found out again by a visit.
func (s *Store) write(ctx context.Context, op string, f func(t *tx) error) error {
	return s.writeSynced(ctx, op, false, f)
}

// writeDurably is write for what no visit can find out again: it is on the disk before it returns, with all that was written before.
func (s *Store) writeDurably(ctx context.Context, op string, f func(t *tx) error) error {
	return s.writeSynced(ctx, op, true, f)
}

func (s *Store) writeSynced(ctx context.Context, op string, durably bool, f func(t *tx) error) error {
	select {
	case <-s.w.turn:
	case <-s.w.closed:
		return s.fail(op, errors.New("the database is closed"))
	case <-ctx.Done():
		return s.fail(op, ctx.Err())
	}
	err := s.w.sync(ctx, durably)
	if err == nil {
		err = s.transact(ctx, f)
	}
	s.w.turn <- struct{}{}
	if err != nil {
		return s.fail(op, err)
	}
	if n := s.commits.Add(1); s.after != nil {
		s.after(int(n))
	}
	return nil
}

func (s *Store) transact(ctx context.Context, f func(t *tx) error) error {
	t := &tx{ctx: ctx, row: context.WithoutCancel(ctx), w: s.w}
	_, err := s.w.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		t.now = s.now()
		err = f(t)
	}
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err != nil {
		// The first error counts. SQLite may have rolled back already; but it may also have begun: the context's end is an error of a BEGIN that took effect.
		s.w.conn.ExecContext(t.row, "ROLLBACK")
	}
	return err
}

func (t *tx) stmt(text string) (*sql.Stmt, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	if st, ok := t.w.stmts[text]; ok {
		return st, nil
	}
	st, err := t.w.conn.PrepareContext(t.row, text)
	if err == nil {
		t.w.stmts[text] = st
	}
	return st, err
}

// exec runs a statement that touches a row or few.
func (t *tx) exec(text string, args ...any) (sql.Result, error) {
	st, err := t.stmt(text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(t.row, args...)
}

// execAll runs a statement that may touch every row, or whose text is seldom the same; the context interrupts it.
func (t *tx) execAll(text string, args ...any) (sql.Result, error) {
	return t.w.conn.ExecContext(t.ctx, text, args...)
}

// scan runs a query for one row; sql.ErrNoRows without one.
func (t *tx) scan(text string, args []any, dest ...any) error {
	st, err := t.stmt(text)
	if err != nil {
		return err
	}
	return st.QueryRowContext(t.row, args...).Scan(dest...)
}

// query runs a query for a few rows.
func (t *tx) query(text string, args ...any) (*sql.Rows, error) {
	st, err := t.stmt(text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(t.row, args...)
}

// queryOnce is query, for a text that is seldom the same when once is true.
func (t *tx) queryOnce(once bool, text string, args ...any) (*sql.Rows, error) {
	if once {
		return t.w.conn.QueryContext(t.row, text, args...)
	}
	return t.query(text, args...)
}

// collect reads all rows; its first two parameters are what a query gave.
func collect[T any](r *sql.Rows, err error, scan func(*sql.Rows) (T, error)) (all []T, _ error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for r.Next() {
		v, err := scan(r)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, r.Err()
}

// marks is n placeholders: ?,?,?
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// chunk bounds the rows of one transaction and the placeholders of one statement.
const chunk = 500

// chunks calls f with slices of all of at most chunk each.
func chunks[T any](all []T, f func([]T) error) error {
	for len(all) > chunk {
		if err := f(all[:chunk]); err != nil {
			return err
		}
		all = all[chunk:]
	}
	if len(all) == 0 {
		return nil
	}
	return f(all)
}

func anys[T any](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}
