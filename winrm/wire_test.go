package winrm

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestWrittenBeforeTheAnswer: the memory of a body may be used again while its answer is waited for, and whenever the body cannot be sent.
func TestWrittenBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		w, err := newWire(t.Context(), ours, nil, testHost, time.Minute, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		written := make(chan struct{}, 10)
		served := make(chan struct{})
		go func() {
			defer close(served)
			defer theirs.Close()
			req, err := http.ReadRequest(bufio.NewReader(theirs))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Error(err)
			}
			<-written
			io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}()
		post := func() error {
			_, err := w.postThen(t.Context(), nil, make([]byte, 100<<10), func() { written <- struct{}{} })
			return err
		}
		if err := post(); err != nil {
			t.Error(err)
		}
		<-served
		if err := post(); err == nil || len(written) != 1 {
			t.Errorf("got %v, said %d times that it is written", err, len(written))
		}
		w.close()
	})
}
