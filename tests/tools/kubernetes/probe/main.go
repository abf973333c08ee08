// Command probe is a pod's inside for a test outside: an HTTP server that looks names up, opens connections, fetches and reads files.
//
//	/            the host's name
//	/lookup      addresses of ?name=
//	/dial        "connected", or why not, for ?address=host:port
//	/fetch       status and body of ?url=
//	/file        content of ?path=
//	/env         value of ?name=
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const patience = 5 * time.Second

func main() {
	listen := ":8080"
	if len(os.Args) > 1 {
		listen = os.Args[1]
	}
	answer := func(path string, look func(context.Context, func(string) string) (string, error)) {
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), patience)
			defer cancel()
			text, err := look(ctx, r.URL.Query().Get)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			fmt.Fprintln(w, text)
		})
	}
	answer("/{$}", func(context.Context, func(string) string) (string, error) { return os.Hostname() })
	answer("/lookup", lookup)
	answer("/dial", dial)
	answer("/fetch", fetch)
	answer("/file", func(_ context.Context, get func(string) string) (string, error) {
		content, err := os.ReadFile(get("path"))
		return string(content), err
	})
	answer("/env", func(_ context.Context, get func(string) string) (string, error) { return os.Getenv(get("name")), nil })

	server := &http.Server{Addr: listen, ReadHeaderTimeout: patience}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ended.Done()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func lookup(ctx context.Context, get func(string) string) (string, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, get("name"))
	return strings.Join(addresses, "\n"), err
}

func dial(ctx context.Context, get func(string) string) (string, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", get("address"))
	if err != nil {
		return "", err
	}
	return "connected", connection.Close()
}

func fetch(ctx context.Context, get func(string) string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, get("url"), nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return fmt.Sprintf("%d\n%s", response.StatusCode, body), err
}
