// Package server answers HTTP. For now that is /healthz, on loopback only: it refuses every other address until sign-in exists.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// A Health is what /healthz answers, as JSON.
type Health struct {
	OK       bool      `json:"ok"`
	Detail   string    `json:"detail,omitempty"`   // why not
	LastPass time.Time `json:"last_pass,omitzero"` // end of the last pass that ran; left out before the first
	NextPass time.Time `json:"next_pass,omitzero"` // left out while a pass runs
	Running  bool      `json:"running"`            // a pass is running now
}

// A Server is the listener and what it answers.
type Server struct {
	listener net.Listener
	http     *http.Server
	log      *slog.Logger
}

// stopTime is how long open requests have to end when the server stops.
const stopTime = 5 * time.Second

// Listen opens the address of the configuration, which must be loopback. health is asked at every request.
func Listen(ctx context.Context, cfg Config, log *slog.Logger, health func(context.Context) Health) (*Server, error) {
	if err := cfg.Validate("server"); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("server.listen %s: %w", cfg.Listen, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answerHealth(w, health(r.Context()), log) })
	return &Server{
		listener: l,
		log:      log,
		http: &http.Server{
			Handler:           mux,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      10 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run answers until ctx is done, then lets open requests end.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		stopped <- s.http.Shutdown(ctx)
	})
	err := s.http.Serve(s.listener)
	if stop() { // Serve ended by itself
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return errors.Join(fmt.Errorf("stop serving %s: %w", s.Addr(), err), s.http.Close())
	}
	return nil
}

func answerHealth(w http.ResponseWriter, h Health, log *slog.Logger) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !h.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err := json.NewEncoder(w).Encode(h); err != nil {
		log.Debug("healthz", "err", err)
	}
}
