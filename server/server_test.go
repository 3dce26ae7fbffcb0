package server_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/photopush/photopush/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, health server.Health) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := server.Listen(ctx, server.Config{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler), func(context.Context) server.Health { return health })
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return "http://" + s.Addr().String(), func() error { cancel(); return <-ended }
}

func TestHealthz(t *testing.T) {
	last := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for _, want := range []server.Health{{OK: true, LastPass: last}, {Detail: "the last pass ended with an error"}} {
		url, stop := start(t, want)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get(url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		var got server.Health
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if code := map[bool]int{true: 200, false: 503}[want.OK]; res.StatusCode != code {
			t.Errorf("%+v is answered by %d, want %d", want, res.StatusCode, code)
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:8470":     `server.listen is "0.0.0.0:8470", want a loopback address: the server has no sign-in yet, so nobody else may reach it`,
		"192.0.2.1:8470":   `server.listen is "192.0.2.1:8470", want a loopback address: the server has no sign-in yet, so nobody else may reach it`,
		":8470":            `server.listen is ":8470", want a loopback address and port such as 127.0.0.1:8470`,
		"localhost:8470":   `server.listen is "localhost:8470", want a loopback address and port such as 127.0.0.1:8470`,
		"[::1]:8470":       "",
		"127.0.0.9:65535":  "",
		"127.0.0.1:999999": `server.listen is "127.0.0.1:999999", want a loopback address and port such as 127.0.0.1:8470`,
	} {
		err := (&server.Config{Listen: address}).Validate("server")
		if got := errorText(err); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
	if _, err := server.Listen(t.Context(), server.Config{Listen: "0.0.0.0:0"}, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("Listen opened a port on every address")
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
