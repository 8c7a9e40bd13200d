{{- define "opssight.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "opssight.fullname" -}}
{{- $name := include "opssight.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Names of cluster-scoped objects carry the namespace when it is not the usual one, so that two releases never meet. */}}
{{- define "opssight.clusterName" -}}
{{- $name := include "opssight.fullname" . -}}
{{- if eq .Release.Namespace "opssight-system" -}}{{ $name }}{{- else -}}{{ printf "%s-%s" .Release.Namespace $name }}{{- end -}}
{{- end -}}

{{- define "opssight.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "opssight.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "opssight.selector" -}}
app.kubernetes.io/name: {{ include "opssight.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels and names of one shard; a single one has the plain ones. Called with (dict "root" $ "shard" number). */}}
{{- define "opssight.shardSelector" -}}
{{ include "opssight.selector" .root }}
{{- if gt (int .root.Values.shards) 1 }}
opssight.dev/shard: {{ .shard | quote }}
{{- end }}
{{- end -}}

{{- define "opssight.shardName" -}}
{{ include "opssight.fullname" .root }}{{ if gt (int .root.Values.shards) 1 }}-{{ .shard }}{{ end }}
{{- end -}}

{{- define "opssight.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "opssight.podLabels" . }}
{{- end -}}

{{/* Those of the pods: without the version of the chart, so that a new chart of the same operator restarts nothing. */}}
{{- define "opssight.podLabels" -}}
{{ include "opssight.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: opssight
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The annotations of an object, or nothing. Called with (dict "root" $ "own" map). */}}
{{- define "opssight.annotations" -}}
{{- with merge (dict) (.own | default dict) .root.Values.commonAnnotations -}}
annotations:
{{ toYaml . | indent 2 }}
{{- end -}}
{{- end -}}

{{- define "opssight.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "opssight.namespaces" -}}
{{- $names := .Values.rbac.namespaces | default (list .Release.Namespace) -}}
{{- toJson (uniq $names) -}}
{{- end -}}

{{/* A number as it was written: Helm reads 50000000 as a float and would print 5e+07. */}}
{{- define "opssight.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{ printf "%.0f" . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "opssight.ports" -}}
{{- range . }}
- protocol: TCP
  port: {{ int . }}
{{- end }}
{{- end -}}

{{- define "opssight.sourceDigest" -}}
{{- .Values.metricsSource.spec | toJson | sha256sum | trunc 16 -}}
{{- end -}}

{{/*
Whether a hook makes the MetricsSource: "true" or nothing. In a first install by Helm the kind is not there yet when Helm
looks up the objects of the release, so the source is made after the CRDs. It carries Helm's marks of ownership, and the
next upgrade takes it over as an ordinary object. Helm changes nothing of an object while it takes it over; an upgrade
that should do both makes the source anew by the hook, and the one after it takes it over. `helm template` and Argo CD,
which look nothing up, get the ordinary object.
*/}}
{{- define "opssight.sourceIsMadeByHook" -}}
{{- if not (.Capabilities.APIVersions.Has "opssight.dev/v1alpha1/MetricsSource") -}}
{{- $helmLooksUp := lookup "v1" "Namespace" "" "default" -}}
{{- if $helmLooksUp -}}true{{- end -}}
{{- else -}}
{{- $found := lookup "opssight.dev/v1alpha1" "MetricsSource" "" .Values.metricsSource.name -}}
{{- $marks := dig "metadata" "annotations" dict $found -}}
{{- $justMade := eq (get $marks "opssight.dev/made-in-revision") (sub .Release.Revision 1 | toString) -}}
{{- $changed := ne (get $marks "opssight.dev/made-from") (include "opssight.sourceDigest" .) -}}
{{- if and $justMade $changed -}}true{{- end -}}
{{- end -}}
{{- end -}}
