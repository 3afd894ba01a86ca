// The work of thin.py by hand in Go: net/http and nothing else. FROZEN, as thin.py is.
//
//	go build -o thin thin.go && ./thin        prints `Listening on http://127.0.0.1:PORT`
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	seed        = 1
	queueTime   = 500 * time.Millisecond
	runTime     = 2 * time.Second
	failureRate = 0.0
	price       = 27 // thousandths of a dollar
	most        = 100_000
	submitPath  = "/api/v3/bytedance/seedream-v4/edit-sequential"
	predictions = "/api/v3/predictions/"
)

var size = regexp.MustCompile(`^(\d+)\*(\d+)$`)

type inputs struct {
	Prompt    *string  `json:"prompt"`
	Images    []string `json:"images"`
	Size      string   `json:"size"`
	MaxImages int      `json:"max_images"`
}

type job struct {
	id        string
	submitted time.Time
	images    int
	fails     bool
}

type tenant struct {
	jobs    map[string]*job
	order   []string
	balance int
	ordinal int
}

type timings struct {
	Inference int `json:"inference"`
}

type prediction struct {
	ID        string            `json:"id"`
	Model     string            `json:"model"`
	Outputs   []string          `json:"outputs"`
	URLs      map[string]string `json:"urls"`
	NSFW      []bool            `json:"has_nsfw_contents"`
	Status    string            `json:"status"`
	CreatedAt string            `json:"created_at"`
	Error     string            `json:"error"`
	Timings   timings           `json:"timings"`
}

type envelope struct {
	Code    int         `json:"code"`
	Message string      `json:"message"`
	Data    *prediction `json:"data,omitempty"`
}

type server struct {
	lock    sync.Mutex
	tenants map[string]*tenant
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if key == "" {
		refuse(w, 401, "Invalid API key.")
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == submitPath {
		s.submit(w, r, key)
		return
	}
	if strings.HasPrefix(r.URL.Path, predictions) {
		id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, predictions), "/result")
		s.lock.Lock()
		found := s.of(key).jobs[id]
		s.lock.Unlock()
		if found != nil {
			answer(w, 200, envelope{200, "success", found.prediction("http://" + r.Host)})
			return
		}
	}
	refuse(w, 404, "Prediction not found.")
}

func (s *server) submit(w http.ResponseWriter, r *http.Request, key string) {
	body, err := io.ReadAll(r.Body)
	given := inputs{Size: "2048*2048", MaxImages: 1}
	if err != nil || json.Unmarshal(body, &given) != nil || given.Prompt == nil {
		refuse(w, 400, "request body must be a JSON object with a prompt")
		return
	}
	sides := size.FindStringSubmatch(given.Size)
	if len(given.Images) > 10 || given.MaxImages < 1 || given.MaxImages > 15 || sides == nil || !fits(sides[1]) || !fits(sides[2]) {
		refuse(w, 400, "inputs are out of bounds")
		return
	}
	made := s.keep(key, given)
	if made == nil {
		refuse(w, 400, "Insufficient credits. Please top up.")
		return
	}
	answer(w, 200, envelope{200, "success", made.prediction("http://" + r.Host)})
}

func (s *server) keep(key string, given inputs) *job {
	s.lock.Lock()
	defer s.lock.Unlock()
	owner := s.of(key)
	cost := price * given.MaxImages
	if owner.balance < cost {
		return nil
	}
	digest := fnv.New64a()
	fmt.Fprintf(digest, "%d:%s:%d", seed, key, owner.ordinal)
	chance := rand.New(rand.NewSource(int64(digest.Sum64())))
	id := make([]byte, 16)
	chance.Read(id)
	made := &job{hex.EncodeToString(id), time.Now(), given.MaxImages, chance.Float64() < failureRate}
	owner.jobs[made.id] = made
	owner.order = append(owner.order, made.id)
	owner.balance -= cost
	owner.ordinal++
	for len(owner.order) > most {
		delete(owner.jobs, owner.order[0])
		owner.order = owner.order[1:]
	}
	return made
}

func (s *server) of(key string) *tenant {
	if s.tenants[key] == nil {
		s.tenants[key] = &tenant{jobs: map[string]*job{}, balance: 1_000_000_000}
	}
	return s.tenants[key]
}

func fits(side string) bool {
	pixels, err := strconv.Atoi(side)
	return err == nil && pixels >= 1024 && pixels <= 4096
}

func (j *job) prediction(origin string) *prediction {
	shown := &prediction{
		ID: j.id, Model: strings.TrimPrefix(submitPath, "/api/v3/"), Outputs: []string{}, NSFW: []bool{}, Status: "created",
		URLs:      map[string]string{"get": origin + predictions + j.id + "/result"},
		CreatedAt: j.submitted.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	age := time.Since(j.submitted)
	switch {
	case age < queueTime:
	case age < queueTime+runTime:
		shown.Status = "processing"
	case j.fails:
		shown.Status, shown.Error, shown.Timings = "failed", "Task failed.", timings{int(runTime.Milliseconds())}
	default:
		shown.Status, shown.Timings = "completed", timings{int(runTime.Milliseconds())}
		for index := 0; index < j.images; index++ {
			shown.Outputs = append(shown.Outputs, fmt.Sprintf("%s/output/%s-%d.jpeg", origin, j.id, index))
			shown.NSFW = append(shown.NSFW, false)
		}
	}
	return shown
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, envelope{Code: status, Message: message})
}

func answer(w http.ResponseWriter, status int, content envelope) {
	body, _ := json.Marshal(content)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("Listening on http://%s\n", listener.Addr())
	panic(http.Serve(listener, &server{tenants: map[string]*tenant{}}))
}
