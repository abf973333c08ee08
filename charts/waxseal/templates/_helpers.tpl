{{- /* Names. Everything in a namespace is called {fullname}-{component}. */}}
{{- define "waxseal.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Cluster-scoped objects: with the namespace, so that two releases of one name get along. */}}
{{- define "waxseal.clusterName" -}}
{{- printf "%s-%s" (include "waxseal.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "waxseal.serviceAccountName" -}}
{{- .Values.operator.serviceAccount.name | default (printf "%s-operator" (include "waxseal.fullname" .)) -}}
{{- end -}}

{{- /* How the API server calls the operator. */}}
{{- define "waxseal.userName" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "waxseal.serviceAccountName" .) -}}
{{- end -}}

{{- /* Labels, of which a selector is never changed: (list . "operator"). */}}
{{- define "waxseal.selectorLabels" -}}
{{- $component := index . 1 -}}
{{- with index . 0 -}}
app.kubernetes.io/name: {{ printf "waxseal-%s" $component }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 }}
{{- end -}}
{{- end -}}

{{- define "waxseal.labels" -}}
{{ include "waxseal.selectorLabels" . }}
{{- with index . 0 }}
app.kubernetes.io/part-of: waxseal
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "waxseal-%s" .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Labels of pods: (list . "operator" .Values.operator.podLabels). Without the version of the chart, so that an upgrade that changes nothing else
rolls nothing; `release` tells our pods from sidecars, which are not installed by Helm. */}}
{{- define "waxseal.podLabels" -}}
{{ include "waxseal.selectorLabels" . }}
{{- with index . 0 }}
app.kubernetes.io/part-of: waxseal
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- with index . 2 }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* An image: (list . "waxseal-operator" .Values.operator.image). */}}
{{- define "waxseal.image" -}}
{{- $name := index . 1 -}}
{{- $given := index . 2 -}}
{{- with index . 0 -}}
{{- $given | default (printf "%s/%s:%s" (.Values.image.prefix | trimSuffix "/") $name (.Values.image.tag | default .Chart.AppVersion)) -}}
{{- end -}}
{{- end -}}

{{- /* What a switch says, with `trial.enabled` counted in: "true" or nothing. */}}
{{- define "waxseal.hasRelay" -}}
{{- if or .Values.relay.enabled .Values.trial.enabled }}true{{ end -}}
{{- end -}}
{{- define "waxseal.hasRedis" -}}
{{- if or .Values.redis.enabled .Values.trial.enabled }}true{{ end -}}
{{- end -}}
{{- define "waxseal.hasSample" -}}
{{- if or .Values.sample.enabled .Values.trial.enabled }}true{{ end -}}
{{- end -}}
{{- define "waxseal.hasTest" -}}
{{- if or (include "waxseal.hasSample" .) .Values.test.to }}true{{ end -}}
{{- end -}}

{{- define "waxseal.reregistration" -}}
{{- .Values.relay.reregistration | default (ternary "open" "pin-or-credential" .Values.trial.enabled) -}}
{{- end -}}

{{- /* Where the chart's own relay and Redis are. */}}
{{- define "waxseal.relayUrl" -}}
{{- if .Values.sample.relayUrl -}}
{{- .Values.sample.relayUrl -}}
{{- else if include "waxseal.hasRelay" . -}}
{{- printf "%s://%s-relay.%s.svc:%d" (ternary "https" "http" (ne .Values.relay.tls.secretName "")) (include "waxseal.fullname" .) .Release.Namespace (int .Values.relay.service.port) -}}
{{- else -}}
{{- fail "a relay is needed: set relay.enabled=true (for trying out), or sample.relayUrl (for the sample) or test.relayUrl (for the test)" -}}
{{- end -}}
{{- end -}}
{{- define "waxseal.redisUrl" -}}
{{- if .Values.sample.redisUrl -}}
{{- .Values.sample.redisUrl -}}
{{- else if include "waxseal.hasRedis" . -}}
{{- printf "redis://%s-redis.%s.svc:6379" (include "waxseal.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- fail "a Redis is needed: set redis.enabled=true (for trying out) or sample.redisUrl" -}}
{{- end -}}
{{- end -}}
{{- define "waxseal.redisSecretName" -}}
{{- .Values.redis.auth.existingSecret | default (printf "%s-redis" (include "waxseal.fullname" .)) -}}
{{- end -}}

{{- /* The scheduling of a pod: its part of the values. */}}
{{- define "waxseal.scheduling" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "waxseal.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
